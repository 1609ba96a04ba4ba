import { describe, expect, it } from '@jest/globals';
import type { Exporter } from '../crds/exporter.ts';
import { credentialPaths, credentialsVolume, documentFiles, mountedCredentials, withPaths } from './credentials.ts';

const secretKeyRef = (name: string, key: string) => ({ secretKeyRef: { name, key } });
const exporter: Exporter = {
  name: 'default',
  endpoint: 'https://collector:4318',
  headers: [
    { name: 'x-team', value: 'shop' },
    { name: 'x-api-key', valueFrom: secretKeyRef('collector', 'api-key') },
  ],
  tls: {
    ca: { configMapKeyRef: { name: 'ca', key: 'ca.crt' } },
    cert: secretKeyRef('client', 'tls.crt'),
    key: secretKeyRef('client', 'tls.key'),
  },
};

describe('what of an exporter reaches a process', () => {
  it('is the path of a file where a Secret or ConfigMap is named', () => {
    expect(withPaths(exporter)).toEqual({
      headers: [
        { name: 'x-team', value: 'shop' },
        { name: 'x-api-key', file: 'secret/collector/api-key' },
      ],
      tls: { ca: 'config-map/ca/ca.crt', cert: 'secret/client/tls.crt', key: 'secret/client/tls.key' },
    });
    expect(withPaths({ name: 'plain', endpoint: 'http://collector:4318' })).toEqual({ headers: [] });
  });
});

describe('the volume', () => {
  it('has each file once, each object once, and all of it optional', () => {
    const paths = credentialPaths([exporter, { ...exporter, name: 'second' }]);
    expect(paths).toHaveLength(4);
    const { sources } = credentialsVolume(paths).projected;
    expect(sources).toEqual([
      { secret: { name: 'collector', optional: true, items: [{ key: 'api-key', path: 'secret/collector/api-key' }] } },
      { configMap: { name: 'ca', optional: true, items: [{ key: 'ca.crt', path: 'config-map/ca/ca.crt' }] } },
      {
        secret: {
          name: 'client',
          optional: true,
          items: [
            { key: 'tls.crt', path: 'secret/client/tls.crt' },
            { key: 'tls.key', path: 'secret/client/tls.key' },
          ],
        },
      },
    ]);
  });

  it('tells afterwards which files a pod was made with', () => {
    const paths = credentialPaths([exporter]);
    const spec = { containers: [], volumes: [{ name: 'own', emptyDir: {} }, credentialsVolume(paths)] };
    expect(mountedCredentials(spec)).toEqual(paths);
    expect(mountedCredentials({ containers: [] })).toEqual([]);
    const exporters = [{ name: 'default', protocol: 'http/protobuf', endpoint: '', ...withPaths(exporter) } as const];
    const document = {
      key: '',
      revision: '',
      source: '',
      spec: { sampling: { ratio: 1 }, exporters, propagators: [], resource: { attributes: {} } },
    };
    expect(documentFiles(document).sort()).toEqual([...paths].sort());
  });

  it('is bounded, and keeps what comes first', () => {
    const many = Array.from({ length: 60 }, (_, i) => ({
      ...exporter,
      name: `e${i}`,
      tls: { ca: secretKeyRef(`ca-${i}`, 'a'), cert: secretKeyRef(`c-${i}`, 'a'), key: secretKeyRef(`k-${i}`, 'a') },
    }));
    const paths = credentialPaths(many);
    expect(paths).toHaveLength(128);
    expect(paths[0]).toBe('secret/collector/api-key');
  });
});
