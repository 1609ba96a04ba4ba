import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Threshold } from '../../injector/agent/threshold.ts';
import { InputError } from '../input-error.ts';
import { edgeOf } from './edge.ts';
import { envoyConfig } from './envoy.ts';
import { atLeast, nginxConfig } from './nginx.ts';

/**
 * Every `testdata/NAME.yaml`, a policy, with what proxies are told in `NAME.nginx.conf` and `NAME.envoy.yaml`; real ones take it
 * in test/edge. `UPDATE_FIXTURES=1 npm run unit -- cli/gateway` writes them anew; read the difference before you commit it.
 */
const DIRECTORY = new URL('testdata/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, DIRECTORY), 'utf8');
const names = readdirSync(DIRECTORY)
  .filter((name) => name.endsWith('.yaml') && !name.endsWith('.envoy.yaml'))
  .map((name) => name.slice(0, -'.yaml'.length));
const guide = (name: string) => readFileSync(new URL(`../../docs/guides/${name}`, import.meta.url), 'utf8');

const KINDS = [
  ['NGINX', 'nginx.conf', nginxConfig],
  ['Envoy', 'envoy.yaml', envoyConfig],
] as const;

describe.each(KINDS)('%s', (proxy, extension, config) => {
  it.each(names)('is told what is in the fixture of %s', (name) => {
    const result = config(edgeOf(proxy, read(`${name}.yaml`), `${name}.yaml`));
    const fixture = `${name}.${extension}`;
    if (process.env.UPDATE_FIXTURES) writeFileSync(new URL(fixture, DIRECTORY), result);
    expect(result).toBe(read(fixture));
  });

  it('is told what the guide shows', () => {
    const text = guide(`${proxy.toLowerCase()}.md`);
    expect(text).toContain(read(`ratio.${extension}`));
    expect(text).toContain(read('ratio.yaml'));
  });
});

describe('a policy that a proxy cannot go by', () => {
  const policy = (spec: string) =>
    `apiVersion: tracing.acme/v1alpha1\nkind: TracingPolicy\nmetadata: {name: default, namespace: shop}\nspec: ${spec}\n`;

  it('is refused where services do not read traceparent', () => {
    const refused = () => edgeOf('NGINX', policy('{propagators: [b3, baggage]}'), 'p');
    expect(refused).toThrow(InputError);
    expect(refused).toThrow(
      /^TracingPolicy shop\/default: spec\.propagators: NGINX .*propagators: \[tracecontext, b3, baggage\]$/,
    );
  });

  it('is refused for Envoy, and not for NGINX, where only the chart says where spans go', () => {
    const text = policy('{sampling: {ratio: 0.5}}');
    expect(nginxConfig(edgeOf('NGINX', text, 'p'))).toContain('50 % are sampled');
    expect(() => envoyConfig(edgeOf('Envoy', text, 'p'))).toThrow(
      /^TracingPolicy shop\/default: spec\.exporters: .*e\.g\./,
    );
  });
});

describe('the pattern by which NGINX decides', () => {
  const randomness = fc
    .bigInt({ min: 0n, max: 16n ** 14n - 1n })
    .map((number) => number.toString(16).padStart(14, '0'));

  it('says the same as the agent about any trace and ratio', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-9, max: 1, noNaN: true }), randomness, (ratio, id) => {
        const threshold = new Threshold(ratio);
        const pattern = new RegExp(`^(?:${atLeast(threshold.state.get('ot')!.slice(3)).join('|')})`);
        expect(pattern.test(id)).toBe(threshold.admits(id));
      }),
    );
  });

  it('is right just below and at the threshold', () => {
    const pattern = new RegExp(`^(?:${atLeast('e666').join('|')})`);
    expect(['e665ffffffffff', 'e6660000000000', 'e670', 'f000', 'dfff'].map((id) => pattern.test(id))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
  });
});
