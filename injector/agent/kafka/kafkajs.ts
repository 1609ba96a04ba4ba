import type { Link, Span } from '@opentelemetry/api';
import { KafkaJsInstrumentation as Stock } from '@opentelemetry/instrumentation-kafkajs';

type AnyFunction = (this: unknown, ...values: unknown[]) => unknown;
type Patch = (original: AnyFunction) => AnyFunction;
interface Start {
  operationType: string;
  link?: Link;
  attributes?: object;
  kafkaClient: object;
}
/** What is used of the stock class, which its types call private. */
type Parts = new (config?: object) => {
  _getConsumerPatch(): Patch;
  _getConsumerEachMessagePatch(consumer: object): Patch;
  _startConsumerSpan(start: Start): Span;
  _endSpansOnPromise(spans: Span[], metrics: unknown[], work: unknown): Promise<unknown>;
};

/**
 * The stock instrumentation of kafkajs, and what it lacks: the consumer's group; links of the span of a batch, in which the
 * app's work is done, to all messages in it; the exception of work that fails, also of a function that is not async.
 */
export class KafkaJsInstrumentation extends (Stock as unknown as Parts) {
  private readonly groups = new WeakMap<object, string>();
  private batch: Span | undefined;

  override _getConsumerPatch(): Patch {
    const patch = super._getConsumerPatch();
    const { groups } = this;
    return (original) => {
      const patched = patch(original);
      return function consumer(...values) {
        const made = patched.apply(this, values) as object;
        const { groupId } = (values[0] ?? {}) as { groupId?: string };
        if (typeof groupId === 'string') groups.set(made, groupId);
        return made;
      };
    };
  }

  override _getConsumerEachMessagePatch(consumer: object): Patch {
    const patch = super._getConsumerEachMessagePatch(consumer);
    // kafkajs awaits it: one that throws at once is as one that rejects.
    return (original) =>
      patch(function eachMessage(...values) {
        return new Promise((resolve) => resolve(original.apply(this, values)));
      });
  }

  /** A batch's own span is started first, then one for each of its messages, at once. */
  override _startConsumerSpan(start: Start): Span {
    const group = this.groups.get(start.kafkaClient);
    const attributes = { ...start.attributes, ...(group !== undefined && { 'messaging.consumer.group.name': group }) };
    const span = super._startConsumerSpan({ ...start, attributes });
    if (start.operationType === 'receive') this.batch = span;
    else if (start.link) this.batch?.addLink(start.link);
    return span;
  }

  override _endSpansOnPromise(spans: Span[], metrics: unknown[], work: unknown): Promise<unknown> {
    this.batch = undefined;
    const told = Promise.resolve(work).catch((error: unknown) => {
      if (error instanceof Object) spans[0]?.recordException(error as Error);
      throw error;
    });
    return super._endSpansOnPromise(spans, metrics, told);
  }
}
