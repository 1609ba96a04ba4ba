import type { Attributes, Link } from '@opentelemetry/api';
import type { RecordingSpan, Scope, TimedEvent } from './span.ts';
import { attributes, begin, close, head, id, number, open, text, time, word, written } from './wire.ts';

// OTLP's protobuf (opentelemetry-proto 1.x, trace/v1/trace.proto), byte for byte as OpenTelemetry's own serializer writes
// it, but one span at a time. Metrics and logs have the same messages around theirs.

/** A field of ExportTraceServiceRequest's ScopeSpans: the span with its tag and length. Valid until the next call. */
export function encodeSpan(span: RecordingSpan): Buffer {
  begin();
  const start = open(0x12);
  const { traceId, spanId, traceFlags } = span.spanContext();
  const parent = span.parentSpanContext;
  id(0x0a, traceId);
  id(0x12, spanId);
  const state = span.traceState?.serialize();
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
  return written();
}

/** The first field of ScopeSpans, whose spans follow. */
export function encodeScope({ name, version }: Scope): Buffer {
  begin();
  const start = open(0x0a);
  text(0x0a, name);
  if (version) text(0x12, version);
  close(start);
  return Buffer.from(written());
}

/** A field of one string, such as ScopeSpans' schema_url. */
export function encodeText(tag: number, value: string): Buffer {
  begin();
  text(tag, value);
  return Buffer.from(written());
}

/** The first field of ResourceSpans. */
export function encodeResource(resource: Attributes): Buffer {
  begin();
  const start = open(0x0a);
  attributes(0x0a, resource);
  number(0x10, 0);
  close(start);
  return Buffer.from(written());
}

/** Tag and length of a field whose content is written by somebody else. */
export function encodeHead(tag: number, length: number): Buffer {
  begin();
  head(tag, length);
  return Buffer.from(written());
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
  word(tag, (traceFlags & 255) | 0x100 | (isRemote ? 0x200 : 0));
}
