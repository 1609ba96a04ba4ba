// What http/json and the console need of OTLP's protobuf: spans are kept encoded (encode.ts).

type Scalar = 'text' | 'hex' | 'base64' | 'count' | 'int64' | 'fixed64' | 'fixed32' | 'double' | 'boolean';
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
const SCOPE_SPANS: Message = { 1: ['scope', SCOPE], 2: ['spans', SPAN, true], 3: ['schemaUrl', 'text'] };
const RESOURCE: Message = { 1: ['attributes', KEY_VALUE, true], 2: ['droppedAttributesCount', 'count'] };
const RESOURCE_SPANS: Message = { 1: ['resource', RESOURCE], 2: ['scopeSpans', SCOPE_SPANS, true] };
const REQUEST: Message = { 1: ['resourceSpans', RESOURCE_SPANS, true] };

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

/** Reads a request that encode.ts has written. */
export function decodeTraces(body: Uint8Array): JsonTraces {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  return decode(bytes, 0, bytes.length, REQUEST) as unknown as JsonTraces;
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
    case 'count':
    case 'int64':
    case 'boolean':
      throw new Error(`a ${holds} is a varint`);
  }
}
