import type { Kafka, Producer } from 'kafkajs';
import { openOrders } from '../../backends/kafka.js';
import type { Payments } from './payments.js';

interface OrderPaid {
  id: string;
  paymentId: string;
}

/** Confirms the payment of each order that is published, and publishes its receipt for whoever keeps the books. */
export async function confirmPayments(
  kafka: Kafka,
  producer: Producer,
  payments: Payments,
): Promise<() => Promise<void>> {
  const consumer = await openOrders(kafka, { groupId: 'payment' });
  await consumer.run({
    eachMessage: async ({ message }) => {
      const { id, paymentId } = JSON.parse(String(message.value)) as OrderPaid;
      await payments.confirm(paymentId);
      await producer.send({
        topic: 'receipts',
        messages: [{ key: id, value: JSON.stringify({ orderId: id, paymentId }) }],
      });
    },
  });
  return () => consumer.disconnect();
}
