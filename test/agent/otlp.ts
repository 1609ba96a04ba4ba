// Reads the OTLP protobuf of an ExportTraceServiceRequest: enough of the wire format to see every field we send.

/** A span as it arrived. */
export interface ReceivedSpan {
  name: string;
  kind: string;
  traceId: string;
  spanId: string;
  parentSpanId: string;
  traceState: string;
  /** Trace flags in the lowest byte. */
  flags: number;
  startNanos: bigint;
  endNanos: bigint;
  attributes: Record<string, unknown>;
  events: { name: string; attributes: Record<string, unknown> }[];
  links: { traceId: string; spanId: string }[];
  status: { code: number; message: string };
  scope: string;
  resource: Record<string, unknown>;
}

type Field = { number: number; value: bigint | Uint8Array };
const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];

function* fields(bytes: Uint8Array): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error('protobuf ends within a number');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const number = tag >>> 3;
    switch (tag & 7) {
      case 0:
        yield { number, value: varint() };
        break;
      case 1:
        yield { number, value: view.getBigUint64(at, true) };
        at += 8;
        break;
      case 2: {
        const length = Number(varint());
        yield { number, value: bytes.subarray(at, at + length) };
        at += length;
        break;
      }
      case 5:
        yield { number, value: BigInt(view.getUint32(at, true)) };
        at += 4;
        break;
      default:
        throw new Error(`protobuf wire type ${tag & 7}`);
    }
  }
}

const text = (value: Field['value']): string => Buffer.from(value as Uint8Array).toString('utf8');
const hex = (value: Field['value']): string => Buffer.from(value as Uint8Array).toString('hex');

function anyValue(bytes: Uint8Array): unknown {
  for (const { number, value } of fields(bytes)) {
    if (number === 1) return text(value);
    if (number === 2) return value !== 0n;
    if (number === 3) return Number(BigInt.asIntN(64, value as bigint));
    if (number === 4) return new Float64Array(new BigUint64Array([value as bigint]).buffer)[0];
    if (number === 5) return [...fields(value as Uint8Array)].map((item) => anyValue(item.value as Uint8Array));
    if (number === 7) return value;
  }
  return undefined;
}

function keyValue(bytes: Uint8Array, into: Record<string, unknown>): void {
  let key = '';
  let found: unknown;
  for (const { number, value } of fields(bytes)) {
    if (number === 1) key = text(value);
    if (number === 2) found = anyValue(value as Uint8Array);
  }
  into[key] = found;
}

function event(bytes: Uint8Array): ReceivedSpan['events'][number] {
  const result: ReceivedSpan['events'][number] = { name: '', attributes: {} };
  for (const { number, value } of fields(bytes)) {
    if (number === 2) result.name = text(value);
    if (number === 3) keyValue(value as Uint8Array, result.attributes);
  }
  return result;
}

function link(bytes: Uint8Array): ReceivedSpan['links'][number] {
  const result = { traceId: '', spanId: '' };
  for (const { number, value } of fields(bytes)) {
    if (number === 1) result.traceId = hex(value);
    if (number === 2) result.spanId = hex(value);
  }
  return result;
}

function span(bytes: Uint8Array, scope: string, resource: Record<string, unknown>): ReceivedSpan {
  const result: ReceivedSpan = {
    name: '',
    kind: KINDS[0]!,
    traceId: '',
    spanId: '',
    parentSpanId: '',
    traceState: '',
    flags: 0,
    startNanos: 0n,
    endNanos: 0n,
    attributes: {},
    events: [],
    links: [],
    status: { code: 0, message: '' },
    scope,
    resource,
  };
  for (const { number, value } of fields(bytes)) {
    if (number === 1) result.traceId = hex(value);
    else if (number === 2) result.spanId = hex(value);
    else if (number === 3) result.traceState = text(value);
    else if (number === 4) result.parentSpanId = hex(value);
    else if (number === 5) result.name = text(value);
    else if (number === 6) result.kind = KINDS[Number(value)] ?? String(value);
    else if (number === 7) result.startNanos = value as bigint;
    else if (number === 8) result.endNanos = value as bigint;
    else if (number === 9) keyValue(value as Uint8Array, result.attributes);
    else if (number === 11) result.events.push(event(value as Uint8Array));
    else if (number === 13) result.links.push(link(value as Uint8Array));
    else if (number === 16) result.flags = Number(value);
    else if (number === 15) {
      for (const part of fields(value as Uint8Array)) {
        if (part.number === 2) result.status.message = text(part.value);
        if (part.number === 3) result.status.code = Number(part.value);
      }
    }
  }
  return result;
}

/** All spans of one request. */
export function decodeTraces(body: Uint8Array): ReceivedSpan[] {
  const spans: ReceivedSpan[] = [];
  for (const resourceSpans of fields(body)) {
    const resource: Record<string, unknown> = {};
    const parts = [...fields(resourceSpans.value as Uint8Array)];
    for (const part of parts) {
      if (part.number !== 1) continue;
      for (const item of fields(part.value as Uint8Array))
        if (item.number === 1) keyValue(item.value as Uint8Array, resource);
    }
    for (const part of parts) {
      if (part.number !== 2) continue;
      const inner = [...fields(part.value as Uint8Array)];
      const scopeField = inner.find((item) => item.number === 1);
      const nameField = scopeField && [...fields(scopeField.value as Uint8Array)].find((item) => item.number === 1);
      const scope = nameField ? text(nameField.value) : '';
      for (const item of inner) if (item.number === 2) spans.push(span(item.value as Uint8Array, scope, resource));
    }
  }
  return spans;
}

/** How many spans one request holds, without reading them. */
export function countSpans(body: Uint8Array): number {
  let count = 0;
  for (const resourceSpans of fields(body))
    for (const part of fields(resourceSpans.value as Uint8Array))
      if (part.number === 2) for (const item of fields(part.value as Uint8Array)) if (item.number === 2) count += 1;
  return count;
}
