import type { Link, Span } from '@opentelemetry/api';
import { KafkaJsInstrumentation as Stock } from '@opentelemetry/instrumentation-kafkajs';

type AnyFunction = (this: unknown, ...values: unknown[]) => unknown;
type Patch = (original: AnyFunction) => AnyFunction;
interface Start {
  topic: string;
  operationType: string;
  link?: Link;
  attributes?: { 'messaging.destination.partition.id'?: string };
  kafkaClient: object;
}
interface Message {
  partition?: number;
}
/** A file of kafkajs that makes producers, or consumers. */
interface FactoryFile {
  patch(factory: (params: { cluster?: Cluster }) => object): unknown;
}
/** What a client knows of the cluster it is connected with. */
interface Cluster {
  brokerPool?: {
    metadata?: {
      brokers: { nodeId: number; host: string; port: number }[];
      topicMetadata: { topic: string; partitionMetadata: { partitionId: number; leader: number }[] }[];
    } | null;
  };
}
interface Place {
  client: object;
  topic: string;
  /** Undefined where kafkajs chooses. */
  partition: string | undefined;
}
/** What is used of the stock class, which its types call private. */
type Parts = new (config?: object) => {
  _getClusterCaptureFile(path: string): FactoryFile;
  _getConsumerPatch(): Patch;
  _getConsumerEachMessagePatch(consumer: object): Patch;
  _getProducerTransactionPatch(): Patch;
  _startConsumerSpan(start: Start): Span;
  _startProducerSpan(topic: string, message: Message, client: object): Span;
  _endSpansOnPromise(spans: Span[], metrics: unknown[], work: unknown): Promise<unknown>;
};

const clusters = new WeakMap<object, Cluster>();

/**
 * The stock instrumentation of kafkajs, and what it lacks: the consumer's group; the broker; links of the span of a batch, in
 * which the app's work is done, to all messages in it; the exception of work that fails, also of a function that is not async.
 */
export class KafkaJsInstrumentation extends (Stock as unknown as Parts) {
  private readonly groups = new WeakMap<object, string>();
  private readonly places = new WeakMap<Span, Place>();
  private batch: Span | undefined;

  override _getClusterCaptureFile(path: string): FactoryFile {
    const file = super._getClusterCaptureFile(path);
    const { patch } = file;
    file.patch = (factory) =>
      patch((params) => {
        const client = factory(params);
        if (params.cluster) clusters.set(client, params.cluster);
        return client;
      });
    return file;
  }

  override _getProducerTransactionPatch(): Patch {
    const patch = super._getProducerTransactionPatch();
    return (original) => {
      const patched = patch(original);
      return async function transaction(...values) {
        const open = (await patched.apply(this, values)) as object;
        const cluster = clusters.get(this as object);
        if (cluster) clusters.set(open, cluster);
        return open;
      };
    };
  }

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
    const partition = start.attributes?.['messaging.destination.partition.id'];
    this.places.set(span, { client: start.kafkaClient, topic: start.topic, partition });
    if (start.operationType === 'receive') this.batch = span;
    else if (start.link) this.batch?.addLink(start.link);
    return span;
  }

  override _startProducerSpan(topic: string, message: Message, client: object): Span {
    const span = super._startProducerSpan(topic, message, client);
    const partition = message.partition === undefined ? undefined : String(message.partition);
    this.places.set(span, { client, topic, partition });
    return span;
  }

  override _endSpansOnPromise(spans: Span[], metrics: unknown[], work: unknown): Promise<unknown> {
    this.batch = undefined;
    const told = Promise.resolve(work)
      .catch((error: unknown) => {
        if (error instanceof Object) spans[0]?.recordException(error as Error);
        throw error;
      })
      .finally(() => spans.forEach((span) => this.nameBroker(span)));
    return super._endSpansOnPromise(spans, metrics, told);
  }

  /** At its end: a client that sends to a topic for the first time asks for its leaders meanwhile. */
  private nameBroker(span: Span): void {
    const place = this.places.get(span);
    const broker = place && leaderOf(place);
    if (broker) span.setAttributes({ 'server.address': broker.host, 'server.port': broker.port });
  }
}

/** The broker that leads a partition, or all partitions of its topic. */
function leaderOf({ client, topic, partition }: Place) {
  const metadata = clusters.get(client)?.brokerPool?.metadata;
  const partitions = metadata?.topicMetadata.find((each) => each.topic === topic)?.partitionMetadata ?? [];
  const asked = partitions.filter(({ partitionId }) => partition === undefined || String(partitionId) === partition);
  const leaders = new Set(asked.map(({ leader }) => leader));
  return leaders.size === 1 ? metadata?.brokers.find(({ nodeId }) => leaders.has(nodeId)) : undefined;
}
