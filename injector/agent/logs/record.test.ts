import { describe, expect, it } from '@jest/globals';
import { JsonLogsSerializer, ProtobufLogsSerializer } from '@opentelemetry/otlp-transformer';
import { decodeRequest } from '../export/decode.ts';
import { SpanLog } from '../span-log.ts';
import { toHrTime } from '../span.ts';
import { encodeRecord } from './record.ts';
import type { LogLine } from './tap.ts';

const MILLIS = 1_764_000_000_123;
const SCOPE = { name: 'tracing-operator/pino', version: '1.0.0' };
const trace = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };
const line: LogLine = {
  library: 'pino',
  level: 'warn',
  severity: 13,
  body: 'zu spät',
  fields: { amount: 12.5, ok: true, items: ['a', 2], card: { number: 1 } },
  trace,
};

function request(said: LogLine): Buffer {
  const log = new SpanLog(1);
  log.push(encodeRecord(said, MILLIS), SCOPE);
  return log.take(1, { 'service.name': 'shop' }).body;
}

interface JsonRecord {
  body?: { stringValue?: string };
  attributes?: { key: string; value: Record<string, unknown> }[];
  droppedAttributesCount: number;
}
function record(said: Partial<LogLine>): JsonRecord & { fields: Record<string, unknown> } {
  const { resourceLogs } = decodeRequest(request({ ...line, ...said }), 'logs') as {
    resourceLogs: { scopeLogs: { logRecords: JsonRecord[] }[] }[];
  };
  const found = resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!;
  return {
    ...found,
    fields: Object.fromEntries((found.attributes ?? []).map(({ key, value }) => [key, Object.values(value)[0]])),
  };
}

describe('a log record', () => {
  const readable = {
    ...{ hrTime: toHrTime(MILLIS), hrTimeObserved: toHrTime(MILLIS), severityNumber: 13, severityText: 'warn' },
    ...{ body: line.body, attributes: line.fields, droppedAttributesCount: 0, spanContext: trace },
    ...{ instrumentationScope: SCOPE, resource: { attributes: { 'service.name': 'shop' } } },
  };
  const theirs = [readable] as unknown as Parameters<typeof ProtobufLogsSerializer.serializeRequest>[0];

  it("has the bytes that OpenTelemetry's own serializer gives", () => {
    expect(request(line).equals(ProtobufLogsSerializer.serializeRequest(theirs)!)).toBe(true);
  });

  it('is read back as the JSON of the same', () => {
    const json = JSON.parse(new TextDecoder().decode(JsonLogsSerializer.serializeRequest(theirs))) as object;
    const text = JSON.stringify(json).replace(/"intValue":(\d+)/g, '"intValue":"$1"');
    expect(decodeRequest(request(line), 'logs')).toMatchObject(
      JSON.parse(text, (_key, value: unknown) =>
        Array.isArray(value) && value.length === 0 ? undefined : value,
      ) as object,
    );
  });

  it('has an error in the words of the semantic conventions, from an object or from the line itself', () => {
    const err = { type: 'RangeError', message: 'no stock', stack: 'RangeError: no stock\n at x', code: 'E' };
    expect(record({ fields: { err } }).fields).toEqual({
      'exception.type': 'RangeError',
      'exception.message': 'no stock',
      'exception.stacktrace': err.stack,
      err: expect.anything(),
    });
    expect(record({ body: 'no', fields: { type: 'Error', stack: 'Error: no\n at x' } }).fields).toMatchObject({
      'exception.message': 'no',
      'exception.stacktrace': 'Error: no\n at x',
    });
    const error = new TypeError('mine');
    expect(record({ fields: { err: error } }).fields).toMatchObject({ 'exception.type': 'TypeError' });
  });

  it('takes what apps log, whatever it is', () => {
    const self: Record<string, unknown> = {};
    self['self'] = self;
    const { fields } = record({
      fields: {
        self,
        ...{ date: new Date(0), big: 10n, none: null, nothing: undefined, call: () => 1, symbol: Symbol('a') },
        ...{ bytes: Buffer.from('a'), url: new URL('http://a.test/'), list: Array.from({ length: 9999 }, (_, i) => i) },
      },
    });
    expect(Object.keys(fields).sort()).toEqual(['big', 'bytes', 'date', 'list', 'none', 'self', 'url']);
    expect(fields).toMatchObject({ date: '1970-01-01T00:00:00.000Z', big: '10', url: 'http://a.test/' });
    expect(record({ body: undefined }).body).toBeUndefined();
    expect(record({ body: { a: 1 } }).body).toEqual({ kvlistValue: { values: [expect.anything()] } });
  });

  it('is bounded: in fields, in depth, in values, in text', () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`f${i}`, i]));
    expect(record({ fields: many })).toMatchObject({ droppedAttributesCount: 372 });
    const wide = (depth: number): unknown => (depth === 0 ? 'x' : Array.from({ length: 40 }, () => wide(depth - 1)));
    expect(request({ ...line, fields: { wide: wide(4) } }).length).toBeLessThan(100_000);
    expect(record({ body: 'x'.repeat(10 ** 6) }).body?.stringValue).toHaveLength(2 ** 16 + 1);
  });
});
