import { describe, expect, it } from '@jest/globals';
import { SpanKind, createTraceState, type AttributeValue, type SpanContext } from '@opentelemetry/api';
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import fc from 'fast-check';
import { encodeSpan } from './encode.ts';
import { decodeTraces } from './export/decode.ts';
import { RecordingSpan, type Scope } from './span.ts';
import { SpanLog } from './span-log.ts';

const LIMITS = { attributes: 128, valueLength: Infinity, events: 3, links: 2 };

const text = fc.oneof(
  fc.string({ maxLength: 200 }),
  fc.string({ unit: 'binary', maxLength: 80 }),
  // Lengths around which the number of bytes of a length changes.
  fc.integer({ min: 110, max: 140 }).map((length) => 'x'.repeat(length)),
  fc.integer({ min: 16_360, max: 16_400 }).map((length) => 'ü'.repeat(length / 2)),
  fc.constant('\ud800 alone'),
);
const number = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(0, -0, -1, 2 ** 31, 2 ** 32, -(2 ** 32), 2 ** 53, 2 ** 63, -(2 ** 63), 1e300),
);
const scalar = fc.oneof(text, number, fc.boolean());
const value = fc.oneof(
  scalar,
  fc.array(fc.oneof(scalar, fc.constant(null)), { maxLength: 5 }),
  fc.dictionary(text, scalar, { maxKeys: 4 }),
  fc.uint8Array({ maxLength: 300 }),
) as fc.Arbitrary<AttributeValue>;
const attributes = fc.dictionary(fc.oneof(text, fc.constant('db.query.text')), value, { maxKeys: 8 });
const hex = (length: number) =>
  fc.array(fc.constantFrom(...'0123456789abcdef'), { minLength: length, maxLength: length }).map((all) => all.join(''));
const spanContext: fc.Arbitrary<SpanContext> = fc
  .record({
    traceId: hex(32),
    spanId: hex(16),
    traceFlags: fc.constantFrom(0, 1, 3),
    isRemote: fc.boolean(),
    state: fc.constantFrom('', 'ot=th:8,vendor=x'),
  })
  .map(({ state, ...rest }) => (state ? { ...rest, traceState: createTraceState(state) } : rest));
const scope: fc.Arbitrary<Scope> = fc.constantFrom(
  { name: 'http' },
  { name: 'pg', version: '1.2.3' },
  { name: 'grpc', version: '1.0.0', schemaUrl: 'https://schemas.test/1' },
);
const millis = fc.double({ min: 1.6e12, max: 4e12, noNaN: true });

const span: fc.Arbitrary<RecordingSpan> = fc
  .record({
    scope,
    name: text,
    kind: fc.constantFrom(SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CONSUMER),
    identity: spanContext,
    parent: fc.option(spanContext, { nil: undefined }),
    start: millis,
    lasts: fc.double({ min: 0, max: 1e6, noNaN: true }),
    attributes,
    events: fc.array(fc.record({ name: text, attributes, at: millis }), { maxLength: 5 }),
    links: fc.array(fc.record({ context: spanContext, attributes }), { maxLength: 3 }),
    status: fc.constantFrom({ code: 0 }, { code: 1 }, { code: 2 }, { code: 2, message: 'no such ‹table›' }),
  })
  .map((made) => {
    const sink = { limits: LIMITS, begun: () => undefined, finished: () => undefined };
    const result = new RecordingSpan(sink, made.scope, made.name, made.kind, made.identity, made.parent, 0, made.start);
    result.setAttributes(made.attributes);
    for (const event of made.events) result.addEvent(event.name, event.attributes, event.at);
    result.addLinks(made.links);
    result.setStatus(made.status);
    result.end(made.start + made.lasts);
    return result;
  });

/** The spans as their exporters get them, and as OpenTelemetry's own want them. */
function encode(spans: RecordingSpan[], resource: Record<string, AttributeValue>): [Buffer, ReadableSpan[]] {
  const log = new SpanLog(spans.length);
  for (const each of spans) log.push(encodeSpan(each), each.instrumentationScope);
  const shared = { attributes: resource };
  for (const each of spans) Object.assign(each, { resource: shared });
  return [log.take(spans.length, resource).body, spans as unknown as ReadableSpan[]];
}

/**
 * JSON to be compared: without empty lists, and in the words of OTLP where OpenTelemetry's serializer has others (integers
 * of 64 bits are strings there, and what is no number has a name).
 */
function comparable(json: unknown): unknown {
  if (typeof json === 'string') return json.toWellFormed();
  if (Array.isArray(json)) return json.map(comparable);
  if (typeof json !== 'object' || json === null) return json;
  const { intValue, doubleValue } = json as { intValue?: number | string; doubleValue?: unknown };
  if (typeof intValue === 'number')
    return intValue >= -(2 ** 63) && intValue < 2 ** 63
      ? { intValue: String(BigInt(intValue)) }
      : { doubleValue: intValue };
  if (typeof doubleValue === 'string') return { doubleValue: null };
  return Object.fromEntries(
    Object.entries(json)
      .filter(([, content]) => !Array.isArray(content) || content.length > 0)
      .map(([key, content]) => [key.toWellFormed(), comparable(content)]),
  );
}

describe('encoding', () => {
  it("gives the bytes that OpenTelemetry's own serializer gives", () => {
    fc.assert(
      fc.property(fc.array(span, { minLength: 1, maxLength: 4 }), attributes, (spans, resource) => {
        const [ours, theirs] = encode(spans, resource);
        expect(ours.equals(ProtobufTraceSerializer.serializeRequest(theirs)!)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it('is read back as the JSON of the same spans', () => {
    fc.assert(
      fc.property(fc.array(span, { minLength: 1, maxLength: 4 }), attributes, (spans, resource) => {
        const [ours, theirs] = encode(spans, resource);
        const json = new TextDecoder().decode(JsonTraceSerializer.serializeRequest(theirs));
        expect(comparable(decodeTraces(ours))).toEqual(comparable(JSON.parse(json)));
      }),
      { numRuns: 100 },
    );
  });
});
