import type { Attributes } from '@opentelemetry/api';
import { encodeHead, encodeResource, encodeScope, encodeText } from './encode.ts';
import type { Scope } from './span.ts';

const CHUNK_BYTES = 32 * 1024;
/** Spans may hold statements of any length: what waits has a bound in bytes, too. */
const MAX_BYTES = 16 * 2 ** 20;
/** gRPC receivers take 4 MB unless told otherwise. */
const MAX_BODY_BYTES = 3.5 * 2 ** 20;
/** So much of what is not needed at the moment is kept, twice: for batches, and for what waits. */
const KEPT_BYTES = 512 * 1024;
/** Before each span: its length and the number of its scope. */
const HEAD_BYTES = 8;

interface Chunk {
  bytes: Buffer;
  end: number;
}

/** Spans as an ExportTraceServiceRequest; its memory is used again by the next `take`. */
export interface Batch {
  count: number;
  body: Buffer;
  /** Of its first span. */
  trace: string;
}

/**
 * Encoded spans in the order they came, bounded in number and bytes: what is too much pushes the oldest out. They are in
 * a few buffers outside of the heap, as thousands of small objects that wait for seconds are what makes V8 enlarge its
 * young generation, for good. Memory grows with what is held and is let go of afterwards.
 */
export class SpanLog {
  size = 0;
  private limit: number;
  private readonly scopes: Scope[] = [];
  private readonly numbers = new Map<Scope, number>();
  private chunks: Chunk[] = [];
  private readonly spare: Buffer[] = [];
  /** Where the oldest is in the first chunk. */
  private head = 0;
  private held = 0;
  /** Batches are written into it: fresh memory for each would pile up until V8 collects its old objects. */
  private body = Buffer.alloc(0);

  /** @param limit How many spans, at least 1. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Another number of spans, at least 1; gives how many had to go. */
  setLimit(limit: number): number {
    this.limit = limit;
    let lost = 0;
    for (; this.size > limit; lost++) this.shift();
    return lost;
  }

  /** Whether there is enough for a batch of so many spans, or of as many bytes as one may have. */
  isFull(most: number): boolean {
    return this.size >= most || this.held >= MAX_BODY_BYTES;
  }

  /** Bytes that it occupies, used or not. */
  get memory(): number {
    return [...this.chunks.map(({ bytes }) => bytes), ...this.spare, this.body].reduce(
      (sum, { length }) => sum + length,
      0,
    );
  }

  /** Takes a copy of an encoded span; gives how many had to go. */
  push(span: Buffer, scope: Scope): number {
    if (span.length > MAX_BYTES) return 1;
    let lost = 0;
    for (; this.size >= this.limit || this.held + span.length > MAX_BYTES; lost++) this.shift();
    const needed = HEAD_BYTES + span.length;
    let chunk = this.chunks.at(-1);
    if (chunk === undefined || chunk.end + needed > chunk.bytes.length) {
      chunk = this.open(needed);
      this.chunks.push(chunk);
    }
    const { bytes, end } = chunk;
    bytes.writeUInt32LE(span.length, end);
    bytes.writeUInt32LE(this.numberOf(scope), end + 4);
    bytes.set(span, end + HEAD_BYTES);
    chunk.end = end + needed;
    this.held += span.length;
    this.size += 1;
    return lost;
  }

  /** Takes the oldest, at most so many; there must be one. */
  take(most: number, resource: Attributes): Batch {
    const byScope = new Map<number, { parts: Buffer[]; length: number }>();
    let count = 0;
    let total = 0;
    let trace = '';
    while (count < most && this.size > 0) {
      const { span, scope } = this.oldest();
      if (count > 0 && total + span.length > MAX_BODY_BYTES) break;
      let group = byScope.get(scope);
      if (group === undefined) byScope.set(scope, (group = { parts: [], length: 0 }));
      group.parts.push(span);
      group.length += span.length;
      trace ||= traceOf(span);
      total += span.length;
      count += 1;
      this.shift();
    }
    const parts = [encodeResource(resource)];
    for (const [number, group] of byScope) {
      const scope = this.scopes[number]!;
      const before = encodeScope(scope);
      const after = scope.schemaUrl ? [encodeText(0x1a, scope.schemaUrl)] : [];
      const length = before.length + group.length + (after[0]?.length ?? 0);
      parts.push(encodeHead(0x12, length), before, ...group.parts, ...after);
    }
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    return { count, trace, body: this.join([encodeHead(0x0a, length), ...parts]) };
  }

  /** Lets whoever has the last batch keep its memory. */
  leaveBody(): void {
    this.body = Buffer.alloc(0);
  }

  private join(parts: Buffer[]): Buffer {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const body =
      length <= this.body.length ? this.body : Buffer.allocUnsafeSlow(Math.ceil(length / CHUNK_BYTES) * CHUNK_BYTES);
    if (body.length <= KEPT_BYTES) this.body = body;
    let at = 0;
    for (const part of parts) {
      body.set(part, at);
      at += part.length;
    }
    return body.subarray(0, length);
  }

  private oldest(): { span: Buffer; scope: number } {
    const { bytes } = this.chunks[0]!;
    const start = this.head + HEAD_BYTES;
    return {
      span: bytes.subarray(start, start + bytes.readUInt32LE(this.head)),
      scope: bytes.readUInt32LE(this.head + 4),
    };
  }

  private shift(): void {
    const chunk = this.chunks[0]!;
    const length = chunk.bytes.readUInt32LE(this.head);
    this.head += HEAD_BYTES + length;
    this.held -= length;
    this.size -= 1;
    if (this.head < chunk.end) return;
    this.chunks.shift();
    this.head = 0;
    // What `take` is about to copy is still in it: it is not written to before that is done.
    const isKept = chunk.bytes.length === CHUNK_BYTES && this.spare.length < KEPT_BYTES / CHUNK_BYTES;
    if (isKept) this.spare.push(chunk.bytes);
  }

  private open(needed: number): Chunk {
    const isLong = needed > CHUNK_BYTES;
    const spare = isLong ? undefined : this.spare.pop();
    return { bytes: spare ?? Buffer.allocUnsafeSlow(isLong ? needed : CHUNK_BYTES), end: 0 };
  }

  private numberOf(scope: Scope): number {
    let number = this.numbers.get(scope);
    if (number === undefined) {
      number = this.scopes.push(scope) - 1;
      this.numbers.set(scope, number);
    }
    return number;
  }
}

/** The first field of an encoded span, behind its tag and the bytes of its length. */
function traceOf(span: Buffer): string {
  let at = 1;
  while (span[at++]! > 127);
  return span.toString('hex', at + 2, at + 18);
}
