import type { RecordingSpan } from './span.ts';

const FIRST_SLOTS = 64;

/**
 * Spans in the order they came, at most so many: one too many pushes the oldest out. Its memory grows with what it holds,
 * as nearly every process needs a fraction of its limit; taking and pushing out cost the same however full it is.
 */
export class SpanRing {
  size = 0;
  private readonly limit: number;
  private slots: (RecordingSpan | undefined)[] = [];
  private head = 0;

  /** @param limit At least 1. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** False if the oldest had to go. */
  push(span: RecordingSpan): boolean {
    if (this.size === this.slots.length && this.size < this.limit) this.grow();
    const { slots, head } = this;
    if (this.size === slots.length) {
      slots[head] = span;
      this.head = head + 1 === slots.length ? 0 : head + 1;
      return false;
    }
    const end = head + this.size;
    slots[end < slots.length ? end : end - slots.length] = span;
    this.size += 1;
    return true;
  }

  /** Takes the oldest, at most so many. */
  take(most: number): RecordingSpan[] {
    const { slots } = this;
    const taken: RecordingSpan[] = [];
    for (let left = Math.min(most, this.size); left > 0; left--) {
      taken.push(slots[this.head]!);
      // Not kept from the garbage collector until it is overwritten.
      slots[this.head] = undefined;
      this.head = this.head + 1 === slots.length ? 0 : this.head + 1;
    }
    this.size -= taken.length;
    return taken;
  }

  private grow(): void {
    const spans = this.take(this.size);
    const length = Math.min(this.limit, Math.max(FIRST_SLOTS, spans.length * 2));
    this.slots = Array.from({ length }, (_, i) => spans[i]);
    this.head = 0;
    this.size = spans.length;
  }
}
