import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { knownMethod, redactQuery, serverRequestAttributes, splitHost } from './attributes.ts';

describe('splitHost', () => {
  it.each([
    ['shop', { address: 'shop' }],
    ['shop:8080', { address: 'shop', port: 8080 }],
    ['[::1]:8080', { address: '::1', port: 8080 }],
    ['[::1]', { address: '::1' }],
    ['fe80::1', { address: 'fe80::1' }],
  ])('%s', (host, expected) => expect(splitHost(host)).toEqual(expected));
});

it('keeps known methods and hides others', () => {
  expect(['GET', 'get', 'PROPFIND'].map(knownMethod)).toEqual(['GET', 'GET', '_OTHER']);
});

it('redacts signatures and tokens in queries', () => {
  expect(redactQuery('token=t&a=1&sig=abc&X-Amz-Signature=d&design=e&refresh_token=f&tokens=2')).toBe(
    'token=REDACTED&a=1&sig=REDACTED&X-Amz-Signature=REDACTED&design=e&refresh_token=REDACTED&tokens=2',
  );
});

describe('serverRequestAttributes', () => {
  const request = (headers: Record<string, string>, url = '/a?b=1', method = 'GET'): IncomingMessage =>
    ({
      headers,
      url,
      method,
      httpVersion: '1.1',
      socket: { remoteAddress: '10.0.0.1', remotePort: 5 },
    }) as unknown as IncomingMessage;

  it('describes a plain request', () => {
    expect(serverRequestAttributes(request({ host: 'shop:80', 'user-agent': 'curl' }))).toEqual({
      'http.request.method': 'GET',
      'url.scheme': 'http',
      'url.path': '/a',
      'url.query': 'b=1',
      'network.protocol.version': '1.1',
      'network.peer.address': '10.0.0.1',
      'network.peer.port': 5,
      'client.address': '10.0.0.1',
      'server.address': 'shop',
      'server.port': 80,
      'user_agent.original': 'curl',
    });
  });

  it('believes proxies about client and host', () => {
    const byHeaders = request({
      host: 'pod',
      'x-forwarded-for': '1.2.3.4, 10.0.0.9',
      'x-forwarded-host': 'shop.example',
      'x-forwarded-proto': 'https',
    });
    expect(serverRequestAttributes(byHeaders)).toMatchObject({
      'client.address': '1.2.3.4',
      'server.address': 'shop.example',
      'server.port': 443,
    });
    const standard = request({ host: 'pod', forwarded: 'for="[2001:db8::1]:99";host=shop;proto=http, for=x' });
    expect(serverRequestAttributes(standard)).toMatchObject({
      'client.address': '2001:db8::1',
      'server.address': 'shop',
      'server.port': 80,
    });
  });

  it('survives requests without a host and with a strange URL', () => {
    expect(serverRequestAttributes(request({}, '//?', 'BREW'))).toMatchObject({
      'url.path': '//',
      'http.request.method': '_OTHER',
      'http.request.method_original': 'BREW',
    });
  });
});
