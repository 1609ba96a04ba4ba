import { describe, expect, it } from '@jest/globals';
import type { Attributes } from '@opentelemetry/api';
import type { Instrumentation } from '../../crds/instrumentation.ts';
import { readOptions } from './instrumentation-options.ts';

const KNOWN = ['dns', 'express', 'http', 'ioredis', 'koa', 'pg', 'redis', 'restify', 'router', 'undici'];
const read = (...list: Instrumentation[]) => readOptions(list, KNOWN, '0.1.0');

describe('what a policy says of instrumentations', () => {
  it('is on, off, or nothing', () => {
    const { enabled, silent, problems, finish } = read(
      { name: 'express', enabled: false },
      { name: 'dns', enabled: true },
      { name: 'pg' },
    );
    expect([...enabled]).toEqual([
      ['express', false],
      ['dns', true],
    ]);
    expect([silent, problems, finish]).toEqual([[], [], undefined]);
  });

  it('names what is like a name that is not known', () => {
    const [[name, problem] = []] = read({ name: 'expres' }).problems;
    expect(name).toBe('expres');
    expect(problem).toBe(
      'not known to agent 0.1.0, which has express, dns, ioredis, pg, redis, router, http, koa, restify, undici',
    );
    const many = Array.from({ length: 60 }, (_, i) => `instrument-${i}`);
    const [[, cut] = []] = readOptions([{ name: 'x' }], many, '0.1.0').problems;
    expect(cut).toMatch(/^not known to agent 0\.1\.0, which has instrument-0, .*, …$/);
    expect(`instrumentations x: ${cut}`.length).toBeLessThanOrEqual(200);
  });

  it('leaves out options that an instrumentation does not have, or a later agent has', () => {
    const later = { name: 'pg', layerSpans: false, queryText: 'Hashed', moonPhase: 'full' } as unknown;
    const { problems, silent, finish } = read(later as Instrumentation, { name: 'koa', queryText: 'Off' });
    expect(problems).toEqual([
      [
        'pg',
        'it has no option layerSpans, which goes with connect, express, hapi, koa, nestjs-core, restify, router; queryText: Hashed is not known to this version of the agent; option moonPhase is not known to this version of the agent',
      ],
      ['koa', expect.stringMatching(/^it has no option queryText, which goes with .*pg, redis/)],
    ]);
    expect([silent, finish]).toEqual([[], undefined]);
  });

  it('takes router along with express, unless it is named', () => {
    expect(read({ name: 'express', layerSpans: false }).silent).toEqual(['express', 'router']);
    expect(read({ name: 'express', layerSpans: false }, { name: 'router' }).silent).toEqual(['express']);
  });

  it('matches paths and URLs as a whole', () => {
    const { http } = read({
      name: 'http',
      ignoreIncomingPaths: ['/internal/*', '/ping'],
      ignoreOutgoingUrls: ['http://consul:8500/*', '*/healthz'],
    });
    const incoming = ['/internal/a/b', '/ping', '/pingpong', '/x/internal/'].map((path) =>
      http!.ignoreIncoming!.test(path),
    );
    expect(incoming).toEqual([true, true, false, false]);
    const outgoing = ['http://consul:8500/v1', 'https://a.b/healthz', 'http://consul/v1'].map((url) =>
      http!.ignoreOutgoing!.test(url),
    );
    expect(outgoing).toEqual([true, true, false]);
  });

  it('never records headers that may be secrets, and hides what is in URLs', () => {
    const { http, problems, finish } = read({
      name: 'http',
      captureRequestHeaders: ['X-Tenant', 'Authorization', 'x-auth', 'x-author'],
      captureResponseHeaders: ['set-cookie', 'location'],
    });
    expect(http).toMatchObject({ requestHeaders: ['x-tenant', 'x-author'], responseHeaders: ['location'] });
    expect(problems[0]?.[1]).toBe(
      'Authorization, x-auth may be a secret and is not recorded; set-cookie may be a secret and is not recorded',
    );
    const attributes: Attributes = {
      'http.response.header.location': ['https://me:pw@a.b/c?page=2&access_token=abc&X-Amz-Signature=d#top'],
      'url.full': 'https://me:pw@a.b/',
    };
    finish!('any', attributes);
    expect(attributes).toEqual({
      'http.response.header.location': [
        'https://REDACTED@a.b/c?page=2&access_token=REDACTED&X-Amz-Signature=REDACTED#top',
      ],
      'url.full': 'https://me:pw@a.b/',
    });
  });

  it('takes the text of statements from the spans of one library alone', () => {
    const { finish } = read({ name: 'pg', queryText: 'Off' });
    const [pg, redis] = ['pg', 'redis'].map((name) => {
      const attributes: Attributes = { 'db.query.text': 'SELECT ?', 'db.statement': 'SELECT ?', 'db.namespace': 'x' };
      finish!(`@opentelemetry/instrumentation-${name}`, attributes);
      return Object.keys(attributes);
    });
    expect(pg).toEqual(['db.namespace']);
    expect(redis).toHaveLength(3);
  });
});
