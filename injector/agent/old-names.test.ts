import { describe, expect, it } from '@jest/globals';
import { SpanKind, type Attributes } from '@opentelemetry/api';
import { oldNames } from './old-names.ts';

function added(optIn: string[], kind: SpanKind, attributes: Attributes): Attributes {
  const all = { ...attributes };
  oldNames(optIn)(all, kind);
  return Object.fromEntries(Object.entries(all).filter(([name]) => !(name in attributes)));
}

const SERVER: Attributes = {
  'http.request.method': 'GET',
  'http.response.status_code': 200,
  'http.route': '/items/:id',
  'url.scheme': 'http',
  'url.path': '/items/7',
  'url.query': 'a=1',
  'server.address': 'shop.example',
  'server.port': 8080,
  'network.peer.address': '10.0.0.7',
  'network.peer.port': 4711,
  'network.protocol.version': '1.1',
  'user_agent.original': 'curl/8',
  'client.address': '198.51.100.1',
};

describe('old names beside the new ones', () => {
  it('of a request to a server', () => {
    expect(added(['http/dup'], SpanKind.SERVER, SERVER)).toEqual({
      'http.method': 'GET',
      'http.status_code': 200,
      'http.scheme': 'http',
      'http.target': '/items/7?a=1',
      'http.url': 'http://shop.example:8080/items/7?a=1',
      'http.host': 'shop.example:8080',
      'http.flavor': '1.1',
      'http.user_agent': 'curl/8',
      'http.client_ip': '198.51.100.1',
      'net.host.name': 'shop.example',
      'net.host.port': 8080,
      'net.peer.ip': '10.0.0.7',
      'net.peer.port': 4711,
    });
  });

  it('of a request by a client', () => {
    const client: Attributes = {
      'http.request.method': 'POST',
      'url.full': 'https://pay.example/charge',
      'server.address': 'pay.example',
      'server.port': 443,
      'http.response.status_code': 500,
    };
    expect(added(['http/dup'], SpanKind.CLIENT, client)).toEqual({
      'http.method': 'POST',
      'http.status_code': 500,
      'http.url': 'https://pay.example/charge',
      'http.host': 'pay.example:443',
      'net.peer.name': 'pay.example',
      'net.peer.port': 443,
    });
  });

  it('of a call of a database', () => {
    const call: Attributes = {
      'db.system.name': 'microsoft.sql_server',
      'db.namespace': 'shop',
      'db.query.text': 'SELECT ?',
      'server.address': 'sql',
      'server.port': 1433,
    };
    expect(added(['database/dup'], SpanKind.CLIENT, call)).toEqual({
      'db.system': 'mssql',
      'db.name': 'shop',
      'db.statement': 'SELECT ?',
      'net.peer.name': 'sql',
      'net.peer.port': 1433,
    });
  });

  it('only where they are asked for', () => {
    expect(added(['database/dup'], SpanKind.SERVER, SERVER)).toEqual({});
    expect(added(['http'], SpanKind.SERVER, SERVER)).toEqual({});
    expect(added(['http/dup', 'database/dup'], SpanKind.INTERNAL, { 'code.function.name': 'f' })).toEqual({});
  });
});
