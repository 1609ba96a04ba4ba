import grpc from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { BankUnavailableError, DeclinedError } from './bank.js';
import { receiptLines } from './payments.js';
import type { Charge, Payments } from './payments.js';

/** The payment service's gRPC methods. */
export function createHandlers(payments: Payments, log: Logger) {
  const charge = async (request: Charge): Promise<{ paymentId: string }> => {
    if (!/^\d{12,19}$/.test(request.card) || !(request.amountCents > 0))
      throw failure(grpc.status.INVALID_ARGUMENT, 'a charge needs a card number and an amount');
    const { orderId, amountCents } = request;
    try {
      const { _id: paymentId } = await payments.charge(request);
      log.info({ orderId, paymentId, amountCents }, 'card charged');
      return { paymentId };
    } catch (error) {
      if (!(error instanceof DeclinedError)) log.error({ orderId, err: error }, 'not charged');
      if (error instanceof DeclinedError) throw failure(grpc.status.FAILED_PRECONDITION, error.message);
      if (error instanceof BankUnavailableError) throw failure(grpc.status.UNAVAILABLE, error.message);
      throw error;
    }
  };

  return {
    charge: (call: grpc.ServerUnaryCall<Charge, object>, callback: grpc.sendUnaryData<object>): void => {
      charge(call.request).then(
        (reply) => callback(null, reply),
        (error: Error) => callback(error),
      );
    },

    receipt: (call: grpc.ServerWritableStream<{ paymentId: string }, { text: string }>): void => {
      payments.find(call.request.paymentId).then(
        (payment) => {
          if (payment === null) {
            call.emit('error', failure(grpc.status.NOT_FOUND, `there is no payment ${call.request.paymentId}`));
            return;
          }
          for (const text of receiptLines(payment)) call.write({ text });
          call.end();
        },
        (error: Error) => call.emit('error', error),
      );
    },
  };
}

function failure(code: grpc.status, message: string): Error {
  return Object.assign(new Error(message), { code });
}
