import type { Attributes, HrTime, Link } from '@opentelemetry/api';
import type { RecordingSpan, Scope, TimedEvent } from './span.ts';

// OTLP's protobuf (opentelemetry-proto 1.x, trace/v1/trace.proto), byte for byte as OpenTelemetry's own serializer writes
// it, but one span at a time and into memory that is used again: nothing of a finished span stays on the heap.

const FIRST_BYTES = 16 * 1024;
const TWO_32 = 2 ** 32;
/** Beyond it a native call is quicker than a loop. */
const SHORT = 64;
/** What anything but a string or a list may take: a tag and a number of 64 bits. */
const SMALL = 12;

let bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
let at = 0;

/** A field of ExportTraceServiceRequest's ScopeSpans: the span with its tag and length. Valid until the next call. */
export function encodeSpan(span: RecordingSpan): Buffer {
  begin();
  const start = open(0x12);
  const { traceId, spanId, traceState, traceFlags } = span.spanContext();
  const parent = span.parentSpanContext;
  id(0x0a, traceId);
  id(0x12, spanId);
  const state = traceState?.serialize();
  if (state) text(0x1a, state);
  if (parent?.spanId) id(0x22, parent.spanId);
  text(0x2a, span.name);
  number(0x30, span.kind + 1);
  time(0x39, span.startTime);
  time(0x41, span.endTime);
  attributes(0x4a, span.attributes);
  number(0x50, span.droppedAttributesCount);
  for (const entry of span.events) event(entry);
  number(0x60, span.droppedEventsCount);
  for (const entry of span.links) link(entry);
  number(0x70, span.droppedLinksCount);
  const status = open(0x7a);
  if (span.status.message) text(0x12, span.status.message);
  number(0x18, span.status.code);
  close(status);
  flags(0x85, traceFlags, parent?.isRemote);
  close(start);
  return bytes.subarray(0, at);
}

/** The first field of ScopeSpans, whose spans follow. */
export function encodeScope({ name, version }: Scope): Buffer {
  begin();
  const start = open(0x0a);
  text(0x0a, name);
  if (version) text(0x12, version);
  close(start);
  return Buffer.from(bytes.subarray(0, at));
}

/** A field of one string, such as ScopeSpans' schema_url. */
export function encodeText(tag: number, value: string): Buffer {
  begin();
  text(tag, value);
  return Buffer.from(bytes.subarray(0, at));
}

/** The first field of ResourceSpans. */
export function encodeResource(resource: Attributes): Buffer {
  begin();
  const start = open(0x0a);
  attributes(0x0a, resource);
  number(0x10, 0);
  close(start);
  return Buffer.from(bytes.subarray(0, at));
}

/** Tag and length of a field whose content is written by somebody else. */
export function encodeHead(tag: number, length: number): Buffer {
  begin();
  bytes[at++] = tag;
  varint(length);
  return Buffer.from(bytes.subarray(0, at));
}

function begin(): void {
  at = 0;
  // One span of megabytes is no reason to hold megabytes.
  if (bytes.length > 4 * FIRST_BYTES) bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
}

function room(size: number): void {
  if (at + size <= bytes.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(bytes.length * 2, at + size));
  bytes.copy(larger, 0, 0, at);
  bytes = larger;
}

/** Begins a field of a length that is not known yet; gives what `close` wants. */
function open(tag: number): number {
  room(SMALL);
  bytes[at++] = tag;
  return at++;
}

function close(start: number): void {
  const length = at - start - 1;
  if (length < 128) {
    bytes[start] = length;
    return;
  }
  room(SMALL);
  const more = varintSize(length) - 1;
  bytes.copyWithin(start + 1 + more, start + 1, at);
  at = start;
  varint(length);
  at += length;
}

function varintSize(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

/** A number from 0 to 2^32 - 1. */
function varint(value: number): void {
  let rest = value;
  while (rest > 127) {
    bytes[at++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  bytes[at++] = rest;
}

function number(tag: number, value: number): void {
  room(SMALL);
  bytes[at++] = tag;
  varint(value);
}

/** An int64; negative ones are their two's complement. */
function integer(tag: number, value: number): void {
  room(SMALL);
  bytes[at++] = tag;
  if (value >= 0 && value < TWO_32) return varint(value);
  let low = value % TWO_32;
  if (low < 0) low += TWO_32;
  let high = Math.floor(value / TWO_32) >>> 0;
  while (high > 0 || low > 127) {
    bytes[at++] = (low & 127) | 128;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  bytes[at++] = low;
}

function fixed32(value: number): void {
  bytes[at++] = value & 255;
  bytes[at++] = (value >>> 8) & 255;
  bytes[at++] = (value >>> 16) & 255;
  bytes[at++] = value >>> 24;
}

/** Nanoseconds since 1970 in 64 bits: more than a double can say. */
function time(tag: number, [seconds, nanos]: HrTime): void {
  room(SMALL);
  bytes[at++] = tag;
  const upper = Math.floor(seconds / 65536) * 1e9;
  const low = (seconds % 65536) * 1e9 + nanos + (upper % 65536) * 65536;
  fixed32(low % TWO_32);
  fixed32(Math.floor(upper / 65536) + Math.floor(low / TWO_32));
}

function digit(code: number): number {
  return code < 58 ? code - 48 : (code & 15) + 9;
}

/** A trace or span id. */
function id(tag: number, hex: string): void {
  room(hex.length + SMALL);
  bytes[at++] = tag;
  bytes[at++] = hex.length >> 1;
  for (let i = 0; i + 1 < hex.length; i += 2)
    bytes[at++] = (digit(hex.charCodeAt(i)) << 4) | digit(hex.charCodeAt(i + 1));
}

function text(tag: number, value: string): void {
  const { length } = value;
  room(3 * length + SMALL);
  bytes[at++] = tag;
  const start = at;
  if (length <= SHORT) {
    at += 1;
    let i = 0;
    for (; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) break;
      bytes[at++] = code;
    }
    if (i === length) {
      bytes[start] = length;
      return;
    }
  }
  const guess = varintSize(length);
  const written = bytes.write(value, start + guess, 'utf8');
  const size = varintSize(written);
  if (size !== guess) bytes.copyWithin(start + size, start + guess, start + guess + written);
  at = start;
  varint(written);
  at += written;
}

function attributes(tag: number, values: Attributes): void {
  for (const key in values) if (Object.hasOwn(values, key)) keyValue(tag, key, values[key]);
}

function keyValue(tag: number, key: string, content: unknown): void {
  const start = open(tag);
  text(0x0a, key);
  const inner = open(0x12);
  value(content);
  close(inner);
  close(start);
}

/** The content of an AnyValue. */
function value(content: unknown): void {
  if (typeof content === 'string') text(0x0a, content);
  else if (typeof content === 'boolean') number(0x10, content ? 1 : 0);
  else if (typeof content === 'number') {
    if (Number.isInteger(content) && content >= -(2 ** 63) && content < 2 ** 63) return integer(0x18, content);
    room(SMALL);
    bytes[at++] = 0x21;
    at = bytes.writeDoubleLE(content, at);
  } else if (content instanceof Uint8Array) {
    room(content.length + SMALL);
    bytes[at++] = 0x3a;
    varint(content.length);
    bytes.set(content, at);
    at += content.length;
  } else if (Array.isArray(content)) {
    const start = open(0x2a);
    for (const item of content as unknown[]) {
      const inner = open(0x0a);
      value(item);
      close(inner);
    }
    close(start);
  } else if (typeof content === 'object' && content !== null) {
    const start = open(0x32);
    attributes(0x0a, content as Attributes);
    close(start);
  }
}

function event({ time: when, name, attributes: values, droppedAttributesCount = 0 }: TimedEvent): void {
  const start = open(0x5a);
  time(0x09, when);
  text(0x12, name);
  if (values) attributes(0x1a, values);
  number(0x20, droppedAttributesCount);
  close(start);
}

function link({ context, attributes: values, droppedAttributesCount = 0 }: Link): void {
  const start = open(0x6a);
  id(0x0a, context.traceId);
  id(0x12, context.spanId);
  const state = context.traceState?.serialize();
  if (state) text(0x1a, state);
  if (values) attributes(0x22, values);
  number(0x28, droppedAttributesCount);
  flags(0x35, context.traceFlags, context.isRemote);
  close(start);
}

/** Trace flags, and whether the parent is in another process (which is always known here). */
function flags(tag: number, traceFlags: number, isRemote: boolean | undefined): void {
  room(SMALL);
  bytes[at++] = tag;
  // Tags of fields from 16 on have a second byte.
  if (tag > 0x80) bytes[at++] = 1;
  fixed32((traceFlags & 255) | 0x100 | (isRemote ? 0x200 : 0));
}
