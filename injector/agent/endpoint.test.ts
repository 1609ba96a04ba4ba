import { describe, expect, it } from '@jest/globals';
import { grpcEndpoint, httpEndpoint } from './endpoint.ts';

describe('httpEndpoint', () => {
  it.each([
    ['http://jaeger.observability:4318', 'http://jaeger.observability:4318/v1/traces'],
    ['http://collector:4318/', 'http://collector:4318/v1/traces'],
    ['https://host/otlp', 'https://host/otlp/v1/traces'],
    ['https://host/otlp/v1/traces', 'https://host/otlp/v1/traces'],
    ['https://host/otlp/v1/traces/', 'https://host/otlp/v1/traces'],
    ['http://[::1]:4318', 'http://[::1]:4318/v1/traces'],
  ])('%s', (base, expected) => expect(httpEndpoint(base)).toBe(expected));
});

it.each([
  ['http://collector:4318', 'http://collector:4318/v1/logs'],
  ['https://host/otlp/v1/traces', 'https://host/otlp/v1/logs'],
])('logs go beside spans: %s', (base, expected) => expect(httpEndpoint(base, 'logs')).toBe(expected));

describe('grpcEndpoint', () => {
  it.each([
    ['http://jaeger:4317', 'http://jaeger:4317'],
    ['https://host', 'https://host:443'],
    ['http://host', 'http://host:4317'],
    ['collector:4317', 'http://collector:4317'],
    ['https://host:8443/path', 'https://host:8443'],
  ])('%s', (endpoint, expected) => expect(grpcEndpoint(endpoint)).toBe(expected));
});
