import { randomUUID } from 'node:crypto';
import type { Collection } from 'mongodb';
import type { Bank } from './bank.js';

/** A payment as MongoDB keeps it. */
export interface Payment {
  _id: string;
  orderId: string;
  /** Of the card's number. */
  lastFour: string;
  amountCents: number;
  createdAt: Date;
  /** When the order was heard of as paid. */
  confirmedAt?: Date;
}

export interface Charge {
  orderId: string;
  card: string;
  amountCents: number;
}

/** Charges cards and keeps the receipts. */
export class Payments {
  readonly #bank: Bank;
  readonly #payments: Collection<Payment>;

  constructor(bank: Bank, payments: Collection<Payment>) {
    this.#bank = bank;
    this.#payments = payments;
  }

  async charge({ orderId, card, amountCents }: Charge): Promise<Payment> {
    await this.#bank.authorize({ key: orderId, card, amountCents });
    const payment = { _id: randomUUID(), orderId, lastFour: card.slice(-4), amountCents, createdAt: new Date() };
    await this.#payments.insertOne(payment);
    return payment;
  }

  async find(paymentId: string): Promise<Payment | null> {
    return this.#payments.findOne({ _id: paymentId });
  }

  async confirm(paymentId: string): Promise<void> {
    await this.#payments.updateOne({ _id: paymentId }, { $set: { confirmedAt: new Date() } });
  }
}

/** What is printed on a receipt, line by line. */
export function receiptLines({ _id, orderId, lastFour, amountCents }: Payment): string[] {
  return [
    `order ${orderId}`,
    `payment ${_id}`,
    `card ending in ${lastFour}`,
    `total ${(amountCents / 100).toFixed(2)}`,
  ];
}
