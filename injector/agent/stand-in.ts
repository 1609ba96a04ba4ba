import type { Exception, Span, SpanContext, TimeInput } from '@opentelemetry/api';
import type { RecordingSpan } from './span.ts';

/**
 * What an instrumentation gets instead of a span that the policy does not want: what is below it goes on under the span
 * above, which alone is recorded, and gets its exceptions, each once however many layers it passes.
 */
export class StandIn implements Span {
  // As of the span above, for those below.
  readonly clockOffset: number;
  readonly root: RecordingSpan;
  private readonly above: RecordingSpan;

  constructor(above: RecordingSpan) {
    this.above = above;
    this.clockOffset = above.clockOffset;
    this.root = above.root;
  }

  spanContext(): SpanContext {
    return this.above.spanContext();
  }

  recordException(exception: Exception, time?: TimeInput): void {
    if (typeof exception !== 'object' || this.root.isNews(exception)) this.above.addException(exception, time);
  }

  isRecording(): boolean {
    return false;
  }

  end(): void {}

  setAttribute(): this {
    return this;
  }

  setAttributes(): this {
    return this;
  }

  addEvent(): this {
    return this;
  }

  addLink(): this {
    return this;
  }

  addLinks(): this {
    return this;
  }

  setStatus(): this {
    return this;
  }

  updateName(): this {
    return this;
  }
}
