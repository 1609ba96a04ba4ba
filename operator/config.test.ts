import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { readConfig } from './config.ts';

const folder = mkdtempSync(join(tmpdir(), 'config-'));
const file = join(folder, 'config.yaml');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LEAST = {
  namespace: 'tracing-system',
  lease: 'tracing-operator',
  agent: { image: 'tracing-acme/agent:0.1.0' },
  webhook: { service: 'webhook', configuration: 'x', manifests: [{ metadata: { name: 'x' } }], secret: 'certificate' },
  reports: { peers: 'peers', token: '/token', serviceAccount: 'tracing-operator' },
};

function read(content: unknown): unknown {
  writeFileSync(file, JSON.stringify(content));
  return readConfig(file);
}

describe('the configuration', () => {
  it('takes the least that a chart says', () => {
    expect(read(LEAST)).toMatchObject({ namespace: 'tracing-system', changeWorkloads: true, probePort: 8080 });
  });

  it('names each field that is wrong, and the image where it does not know a field', () => {
    expect(() => read({ ...LEAST, lease: 1, logLevel: 'loud' })).toThrow(
      new RegExp(`^${file} is not a valid configuration:\n  lease: .*expected string.*\n  logLevel: .*"debug"[^\n]*$`),
    );
    expect(() => read({ ...LEAST, agent: { ...LEAST.agent, sidecar: true } })).toThrow(
      /\n {2}agent: Unrecognized key: "sidecar"\nThis image may be older than the chart .*: leave image\.tag out/,
    );
  });
});
