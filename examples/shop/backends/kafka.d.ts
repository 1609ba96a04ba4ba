import type { Consumer, ConsumerConfig, Kafka, Producer } from 'kafkajs';
import type { Logger } from 'pino';

export function openKafka(name: string, options: { log: Logger; signal: AbortSignal }): Promise<Kafka>;
export function openProducer(kafka: Kafka): Promise<Producer>;
export function openOrders(kafka: Kafka, options: ConsumerConfig): Promise<Consumer>;
