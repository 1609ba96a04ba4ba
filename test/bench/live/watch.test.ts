import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Watch, watchArguments, type Answer } from './watch.ts';

describe('a watch', () => {
  let server: Server;
  let watch: Watch | undefined;
  let answer: { status: number; body: string } | 'cut off';

  beforeEach(async () => {
    answer = { status: 200, body: '{"pod":"a","sampled":true}' };
    server = createServer((_, response) => {
      if (answer === 'cut off') return response.writeHead(200).write('{', () => response.destroy());
      return response.writeHead(answer.status).end(answer.body);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(() => {
    watch?.stop();
    server.close();
  });

  const start = (...more: string[]) => {
    const urls = [`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, ...more];
    return (watch = new Watch([process.execPath, watchArguments(10, urls)], urls));
  };
  const seen = async (check: (answers: Answer[]) => boolean) => start().until('not seen', 10_000, check);

  it('tells when an answer becomes another one, and at what time', async () => {
    const from = start();
    await from.until('not seen', 10_000, ([first]) => first?.sampled === true);
    const before = performance.now();
    answer = { status: 200, body: '{"pod":"a","sampled":false}' };
    const at = await from.until('not seen', 10_000, ([first]) => first?.sampled === false);
    expect(at).toBeGreaterThan(before);
    expect(at).toBeLessThanOrEqual(performance.now());
  });

  it('wants all of them to answer', async () => {
    const both = start('http://127.0.0.1:9/');
    await both.until('not seen', 10_000, ([, second]) => second?.error !== undefined);
    await expect(
      both.until('not all are sampled', 100, (answers) => answers.every(({ sampled }) => sampled === true)),
    ).rejects.toThrow(/not all are sampled within 0\.1 s; last answers: .*"sampled":true.*ECONNREFUSED/);
  });

  it('goes on where an answer is an error', async () => {
    answer = { status: 500, body: '' };
    await seen(([first]) => first?.error === 500);
    answer = { status: 200, body: '{"sampled":null}' };
    await watch?.until('not seen', 10_000, ([first]) => first?.sampled === null);
  });

  it('goes on after an answer that was cut off', async () => {
    answer = 'cut off';
    const from = start();
    await new Promise((resolve) => setTimeout(resolve, 300));
    answer = { status: 200, body: '{"sampled":true}' };
    await from.until('not seen', 10_000, ([first]) => first?.sampled === true);
  });

  it('fails when the watching process ends', async () => {
    const urls = ['http://127.0.0.1:9/'];
    watch = new Watch([process.execPath, ['-e', 'console.error("no such pod"); process.exit(1)']], urls);
    await expect(watch.until('not seen', 10_000, () => false)).rejects.toThrow('ended: no such pod');
  });
});
