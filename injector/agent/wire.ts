import type { Attributes, HrTime } from '@opentelemetry/api';

// Protobuf as OTLP needs it, into memory that is used again: nothing of what was encoded stays on the heap.

const FIRST_BYTES = 16 * 1024;
const TWO_32 = 2 ** 32;
/** Beyond it a native call is quicker than a loop. */
const SHORT = 64;
/** What anything but a string or a list may take: a tag and a number of 64 bits. */
const SMALL = 12;

let bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
let at = 0;

/** What was encoded since `begin`. Valid until the next `begin`. */
export function written(): Buffer {
  return bytes.subarray(0, at);
}

/** Begins anew. */
export function begin(): void {
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
export function open(tag: number): number {
  room(SMALL);
  bytes[at++] = tag;
  return at++;
}

/** Ends a field that `open` has begun. */
export function close(start: number): void {
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

/** A varint from 0 to 2^32 - 1. */
export function number(tag: number, value: number): void {
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

/** A number of 32 bits in four bytes. */
export function word(tag: number, value: number): void {
  room(SMALL);
  varint(tag);
  fixed32(value);
}

/** An integer from 0 to 2^53 in eight bytes. */
export function long(tag: number, value: number): void {
  room(SMALL);
  bytes[at++] = tag;
  fixed64(value);
}

/** A double in eight bytes. */
export function double(tag: number, value: number): void {
  room(SMALL);
  bytes[at++] = tag;
  at = bytes.writeDoubleLE(value, at);
}

/** A list of integers, each in eight bytes, or of doubles. */
export function packed(tag: number, values: readonly number[], isDouble: boolean): void {
  room(SMALL + 8 * values.length);
  bytes[at++] = tag;
  varint(8 * values.length);
  for (const value of values) {
    if (isDouble) at = bytes.writeDoubleLE(value, at);
    else fixed64(value);
  }
}

/** Tag and length of a field whose content is written by somebody else. */
export function head(tag: number, length: number): void {
  room(SMALL);
  bytes[at++] = tag;
  varint(length);
}

function fixed64(value: number): void {
  fixed32(value % TWO_32);
  fixed32(Math.floor(value / TWO_32));
}

/** Nanoseconds since 1970 in 64 bits: more than a double can say. */
export function time(tag: number, [seconds, nanos]: HrTime): void {
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
export function id(tag: number, hex: string): void {
  room(hex.length + SMALL);
  bytes[at++] = tag;
  bytes[at++] = hex.length >> 1;
  for (let i = 0; i + 1 < hex.length; i += 2)
    bytes[at++] = (digit(hex.charCodeAt(i)) << 4) | digit(hex.charCodeAt(i + 1));
}

/** A string. */
export function text(tag: number, value: string): void {
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

/** A list of KeyValue, one field each. */
export function attributes(tag: number, values: Attributes): void {
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
export function value(content: unknown): void {
  if (typeof content === 'string') text(0x0a, content);
  else if (typeof content === 'boolean') number(0x10, content ? 1 : 0);
  else if (typeof content === 'number') {
    if (Number.isInteger(content) && content >= -(2 ** 63) && content < 2 ** 63) return integer(0x18, content);
    double(0x21, content);
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
