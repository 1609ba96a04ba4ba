import { beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { TlsServer } from '../../webhook/tls-server.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Serving } from './certificate.ts';
import { ServingController } from './controller.ts';

const NOW = 1_000_000;
const serving = (name: string, authorities = 'authority 1', end = NOW + 60_000): Serving => ({
  certificate: `certificate ${name}`,
  privateKey: `key ${name}`,
  authorities,
  end,
});

describe('the serving controller', () => {
  let log: string[];
  let now: number;
  let current: () => Promise<Serving>;
  let ensure: () => Promise<void>;
  let controller: ServingController;

  const server = (name: string): TlsServer => ({
    port: 0,
    setCertificate: ({ certificate }) => void log.push(`${name} serves ${certificate}`),
    drain: () => void log.push(`${name} drains`),
    close: (grace) => Promise.resolve(void log.push(`${name} closes within ${grace}`)),
  });
  const start = () => controller.start(() => Promise.resolve([server('webhook'), server('reports')]));

  beforeEach(() => {
    log = [];
    now = NOW;
    current = () => Promise.resolve(serving('a'));
    ensure = () => Promise.resolve();
    controller = new ServingController({
      // Nothing is watched: nobody is asked.
      client: undefined as unknown as KubeClient,
      watched: [],
      source: { interval: 1_000_000, current: () => current() },
      configurations: ['chart', 'take-over'].map((name) => ({
        ensure: (authorities: string) => ensure().then(() => void log.push(`${name} trusts ${authorities}`)),
      })),
      onAuthorities: () => void log.push('authorities'),
      onChange: () => {},
      metrics: {
        read: () => {},
        failed: () => void log.push('failed'),
        serving: (end) => void log.push(`ends ${end}`),
      },
      logger: pino({ level: 'silent' }),
      now: () => now,
    });
  });

  it('is ready once there is a certificate, for as long as it is good', async () => {
    expect(controller.problem).toBe('no certificate yet');
    expect(controller.authorities).toBe('');
    await start();
    expect(controller.problem).toBeUndefined();
    expect(controller.authorities).toBe('authority 1');
    now = NOW + 60_000;
    expect(controller.problem).toBe('the certificate has ended');
    await controller.stop(0);
  });

  it('tells every configuration whom to trust before it has started, and starts no server without a certificate', async () => {
    current = () => Promise.reject(new Error('no such file'));
    await expect(start()).rejects.toThrow('no such file');
    expect(log).toEqual([]);
    current = () => Promise.resolve(serving('a'));
    await start();
    expect(log).toEqual([`ends ${NOW + 60_000}`, 'chart trusts authority 1', 'take-over trusts authority 1']);
    await controller.stop(7);
    expect(log.slice(3)).toEqual(['webhook closes within 7', 'reports closes within 7']);
  });

  it('gives the servers a certificate that is another one, and not the same one again', async () => {
    await start();
    log = [];
    await controller.reconcile();
    expect(log.filter((line) => line.includes(' serves '))).toEqual([]);
    current = () => Promise.resolve(serving('b'));
    expect(await controller.reconcile()).toBe(1_000_000);
    expect(log.filter((line) => line.includes(' serves '))).toEqual([
      'webhook serves certificate b',
      'reports serves certificate b',
    ]);
    expect(log).not.toContain('authorities');
    await controller.stop(0);
  });

  it('says so when other authorities are to be trusted, after the API server has been told', async () => {
    await start();
    log = [];
    current = () => Promise.resolve(serving('b', 'authority 2'));
    await controller.reconcile();
    expect(log.slice(-3)).toEqual(['chart trusts authority 2', 'take-over trusts authority 2', 'authorities']);
    await controller.stop(0);
  });

  it('goes on with the certificate that it has when there is no good one, and counts that', async () => {
    await start();
    log = [];
    current = () => Promise.reject(new Error('the certificate cannot be served'));
    await expect(controller.reconcile()).rejects.toThrow('cannot be served');
    expect(log).toEqual(['failed']);
    expect(controller.problem).toBeUndefined();
    await controller.stop(0);
  });

  it('serves a new certificate though the API server cannot be told, and tells everybody when it can', async () => {
    await start();
    log = [];
    current = () => Promise.resolve(serving('b', 'authority 2'));
    ensure = () => Promise.reject(new Error('503'));
    await expect(controller.reconcile()).rejects.toThrow('503');
    expect(log).toContain('webhook serves certificate b');
    expect(controller.authorities).toBe('authority 2');
    expect(log).not.toContain('authorities');
    ensure = () => Promise.resolve();
    await controller.reconcile();
    expect(log).toContain('authorities');
    await controller.stop(0);
  });

  it('has both servers send their clients away', async () => {
    await start();
    log = [];
    controller.drain();
    expect(log).toEqual(['webhook drains', 'reports drains']);
    await controller.stop(0);
  });
});
