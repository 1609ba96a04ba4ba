import type { Signal } from '../../../crds/signals.ts';

// What http/json and the console need of OTLP's protobuf: spans, metrics and log records are kept encoded.

type Scalar =
  'text' | 'hex' | 'base64' | 'count' | 'int64' | 'fixed64' | 'fixed64s' | 'fixed32' | 'double' | 'doubles' | 'boolean';
/** Fields by number: name as in OTLP's JSON, what it holds, and whether it may come more than once. */
interface Message {
  [field: number]: readonly [name: string, holds: Scalar | Message, isList?: true];
}

const ANY_VALUE: Message = {
  1: ['stringValue', 'text'],
  2: ['boolValue', 'boolean'],
  3: ['intValue', 'int64'],
  4: ['doubleValue', 'double'],
  7: ['bytesValue', 'base64'],
};
const KEY_VALUE: Message = { 1: ['key', 'text'], 2: ['value', ANY_VALUE] };
ANY_VALUE[5] = ['arrayValue', { 1: ['values', ANY_VALUE, true] }];
ANY_VALUE[6] = ['kvlistValue', { 1: ['values', KEY_VALUE, true] }];
const EVENT: Message = {
  1: ['timeUnixNano', 'fixed64'],
  2: ['name', 'text'],
  3: ['attributes', KEY_VALUE, true],
  4: ['droppedAttributesCount', 'count'],
};
const LINK: Message = {
  1: ['traceId', 'hex'],
  2: ['spanId', 'hex'],
  3: ['traceState', 'text'],
  4: ['attributes', KEY_VALUE, true],
  5: ['droppedAttributesCount', 'count'],
  6: ['flags', 'fixed32'],
};
const SPAN: Message = {
  1: ['traceId', 'hex'],
  2: ['spanId', 'hex'],
  3: ['traceState', 'text'],
  4: ['parentSpanId', 'hex'],
  5: ['name', 'text'],
  6: ['kind', 'count'],
  7: ['startTimeUnixNano', 'fixed64'],
  8: ['endTimeUnixNano', 'fixed64'],
  9: ['attributes', KEY_VALUE, true],
  10: ['droppedAttributesCount', 'count'],
  11: ['events', EVENT, true],
  12: ['droppedEventsCount', 'count'],
  13: ['links', LINK, true],
  14: ['droppedLinksCount', 'count'],
  15: ['status', { 2: ['message', 'text'], 3: ['code', 'count'] }],
  16: ['flags', 'fixed32'],
};
const SCOPE: Message = { 1: ['name', 'text'], 2: ['version', 'text'] };
const NUMBER_POINT: Message = {
  2: ['startTimeUnixNano', 'fixed64'],
  3: ['timeUnixNano', 'fixed64'],
  4: ['asDouble', 'double'],
  6: ['asInt', 'fixed64'],
  7: ['attributes', KEY_VALUE, true],
};
const HISTOGRAM_POINT: Message = {
  2: ['startTimeUnixNano', 'fixed64'],
  3: ['timeUnixNano', 'fixed64'],
  4: ['count', 'fixed64'],
  5: ['sum', 'double'],
  6: ['bucketCounts', 'fixed64s'],
  7: ['explicitBounds', 'doubles'],
  9: ['attributes', KEY_VALUE, true],
  11: ['min', 'double'],
  12: ['max', 'double'],
};
const METRIC: Message = {
  1: ['name', 'text'],
  2: ['description', 'text'],
  3: ['unit', 'text'],
  5: ['gauge', { 1: ['dataPoints', NUMBER_POINT, true] }],
  7: [
    'sum',
    { 1: ['dataPoints', NUMBER_POINT, true], 2: ['aggregationTemporality', 'count'], 3: ['isMonotonic', 'boolean'] },
  ],
  9: ['histogram', { 1: ['dataPoints', HISTOGRAM_POINT, true], 2: ['aggregationTemporality', 'count'] }],
};
const LOG_RECORD: Message = {
  1: ['timeUnixNano', 'fixed64'],
  2: ['severityNumber', 'count'],
  3: ['severityText', 'text'],
  5: ['body', ANY_VALUE],
  6: ['attributes', KEY_VALUE, true],
  7: ['droppedAttributesCount', 'count'],
  8: ['flags', 'fixed32'],
  9: ['traceId', 'hex'],
  10: ['spanId', 'hex'],
  11: ['observedTimeUnixNano', 'fixed64'],
};
const RESOURCE: Message = { 1: ['attributes', KEY_VALUE, true], 2: ['droppedAttributesCount', 'count'] };

/** The messages around what is sent, which are alike for all. */
function request(kind: 'Spans' | 'Metrics' | 'Logs', items: string, item: Message): Message {
  const inScope: Message = { 1: ['scope', SCOPE], 2: [items, item, true], 3: ['schemaUrl', 'text'] };
  const inResource: Message = { 1: ['resource', RESOURCE], 2: [`scope${kind}`, inScope, true] };
  return { 1: [`resource${kind}`, inResource, true] };
}
const REQUESTS: Record<Signal, Message> = {
  traces: request('Spans', 'spans', SPAN),
  metrics: request('Metrics', 'metrics', METRIC),
  logs: request('Logs', 'logRecords', LOG_RECORD),
};

/** Attributes as OTLP's JSON has them. */
export interface JsonKeyValue {
  key: string;
  value: Record<string, unknown>;
}

/** An ExportTraceServiceRequest as OTLP's JSON has it; fields that are not there are left out. */
export interface JsonTraces {
  resourceSpans: {
    resource: { attributes: JsonKeyValue[] };
    scopeSpans: { scope: { name: string }; spans: JsonSpan[] }[];
  }[];
}
export interface JsonSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: JsonKeyValue[];
  events?: { name: string; timeUnixNano: string; attributes?: JsonKeyValue[] }[];
  status: { code: number; message?: string };
}

/** Reads a request of spans that encode.ts has written. */
export function decodeTraces(body: Uint8Array): JsonTraces {
  return decodeRequest(body, 'traces') as unknown as JsonTraces;
}

/** Reads a request of any signal. */
export function decodeRequest(body: Uint8Array, signal: Signal): Record<string, unknown> {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  return decode(bytes, 0, bytes.length, REQUESTS[signal]);
}

function decode(bytes: Buffer, from: number, to: number, message: Message): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  let at = from;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < to) {
    const tag = Number(varint());
    const [name, holds, isList] = message[tag >> 3]!;
    const wire = tag & 7;
    const length = wire === 2 ? Number(varint()) : wire === 1 ? 8 : wire === 5 ? 4 : 0;
    const start = at;
    at += length;
    const value =
      wire === 0
        ? scalarOf(varint(), holds)
        : typeof holds === 'object'
          ? decode(bytes, start, at, holds)
          : fieldOf(bytes, start, at, holds);
    if (isList) ((result[name] ??= []) as unknown[]).push(value);
    else result[name] = value;
  }
  // An empty list is one all the same.
  if (message[1]?.[0] === 'values') result['values'] ??= [];
  return result;
}

function scalarOf(value: bigint, holds: Scalar | Message): unknown {
  if (holds === 'boolean') return value !== 0n;
  // JSON has no integers of 64 bits: they are strings there.
  return holds === 'int64' ? String(BigInt.asIntN(64, value)) : Number(value);
}

function fieldOf(bytes: Buffer, start: number, end: number, holds: Scalar): unknown {
  switch (holds) {
    case 'text':
      return bytes.toString('utf8', start, end);
    case 'hex':
    case 'base64':
      return bytes.toString(holds, start, end);
    case 'fixed64':
      return String(bytes.readBigUInt64LE(start));
    case 'fixed32':
      return bytes.readUInt32LE(start);
    case 'double': {
      const value = bytes.readDoubleLE(start);
      return Number.isFinite(value) ? value : String(value);
    }
    case 'fixed64s':
      return eights(bytes, start, end, 'fixed64');
    case 'doubles':
      return eights(bytes, start, end, 'double');
    case 'count':
    case 'int64':
    case 'boolean':
      throw new Error(`a ${holds} is a varint`);
  }
}

function eights(bytes: Buffer, start: number, end: number, holds: 'fixed64' | 'double'): unknown[] {
  return Array.from({ length: (end - start) / 8 }, (_, at) =>
    fieldOf(bytes, start + 8 * at, start + 8 * at + 8, holds),
  );
}
