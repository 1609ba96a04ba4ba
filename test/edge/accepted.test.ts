import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { edgeOf } from '../../cli/gateway/edge.ts';
import { nginxConfig } from '../../cli/gateway/nginx.ts';
import { checkEnvoy, type EnvoyTracing } from '../servers/envoy.ts';
import { checkNginx } from '../servers/nginx.ts';

const FIXTURES = new URL('../../cli/gateway/testdata/', import.meta.url);
const fixtures = (extension: string) => readdirSync(FIXTURES).filter((name) => name.endsWith(extension));
const read = (name: string) => readFileSync(new URL(name, FIXTURES), 'utf8');

describe('what is generated is taken', () => {
  it.each(fixtures('.nginx.conf'))('by NGINX: %s', async (name) => {
    await expect(checkNginx(read(name))).resolves.toBeUndefined();
  });

  it('by NGINX: with as much baggage as a policy may allow', async () => {
    const keys = Array.from({ length: 64 }, (_, i) => `key-${i}`).join(', ');
    const policy = `{apiVersion: tracing.acme/v1alpha1, kind: TracingPolicy, metadata: {name: default}, spec: {baggage: {allow: [${keys}]}}}`;
    await expect(checkNginx(nginxConfig(edgeOf('NGINX', policy, 'policy')))).resolves.toBeUndefined();
  });

  it.each(fixtures('.envoy.yaml'))('by Envoy: %s', async (name) => {
    await expect(checkEnvoy(load(read(name)) as EnvoyTracing)).resolves.toBeUndefined();
  });
});
