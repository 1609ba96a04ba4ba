/** What a receiver did not take of a batch that it has accepted. */
export interface Rejection {
  /** 0: all was taken, and `reason` is a warning. */
  count: number;
  reason: string;
}

/** An answer is a few bytes; nobody makes us keep megabytes. */
export const ANSWER_BYTES = 64 * 1024;

/** `partial_success` of an Export…ServiceResponse, in protobuf or in JSON; undefined where all is well or nothing can be read. */
export function readRejection(answer: Buffer, isJson: boolean): Rejection | undefined {
  try {
    const { count, reason } = isJson ? fromJson(answer) : fromProtobuf(answer);
    return count > 0 || reason !== '' ? { count, reason } : undefined;
  } catch {
    return undefined;
  }
}

/** All signals have the same message, with another name for what was rejected. */
function fromJson(answer: Buffer): Rejection {
  const { partialSuccess = {} } = JSON.parse(answer.toString() || '{}') as { partialSuccess?: Record<string, unknown> };
  const { rejectedSpans, rejectedDataPoints, rejectedLogRecords, errorMessage } = partialSuccess;
  const count = Number(rejectedSpans ?? rejectedDataPoints ?? rejectedLogRecords ?? 0) || 0;
  return { count, reason: typeof errorMessage === 'string' ? errorMessage : '' };
}

function fromProtobuf(answer: Buffer): Rejection {
  const rejection = { count: 0, reason: '' };
  for (const [number, partial] of fields(answer)) {
    if (number !== 1 || typeof partial === 'number') continue;
    for (const [inner, value] of fields(partial)) {
      if (inner === 1 && typeof value === 'number') rejection.count = value;
      if (inner === 2 && typeof value !== 'number') rejection.reason = value.toString();
    }
  }
  return rejection;
}

/**
 * Milliseconds after which a receiver wants to be asked again: google.rpc.RetryInfo in the trailer
 * `grpc-status-details-bin` (a google.rpc.Status in base64). Undefined where it does not say.
 */
export function readRetryInfo(details: string | undefined): number | undefined {
  try {
    for (const [number, any] of fields(Buffer.from(details ?? '', 'base64'))) {
      if (number !== 3 || typeof any === 'number') continue;
      const parts = new Map(fields(any));
      if (!String(parts.get(1)).endsWith('/google.rpc.RetryInfo')) continue;
      const delay = new Map(fields((new Map(fields(parts.get(2) as Buffer)).get(1) as Buffer | undefined) ?? EMPTY));
      return Number(delay.get(1) ?? 0) * 1000 + Number(delay.get(2) ?? 0) / 1e6;
    }
  } catch {
    // It says nothing that can be read.
  }
  return undefined;
}

const EMPTY = Buffer.alloc(0);

/** The fields of a protobuf message: numbers, and what has a length. Others are passed over. */
function* fields(bytes: Buffer): Generator<[number: number, value: number | Buffer]> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes.readUInt8(at++);
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag & 7;
    if (wire === 0) yield [tag >>> 3, varint()];
    else {
      const length = wire === 2 ? varint() : wire === 1 ? 8 : 4;
      if (at + length > bytes.length) throw new Error('protobuf ends within a field');
      if (wire === 2) yield [tag >>> 3, bytes.subarray(at, at + length)];
      at += length;
    }
  }
}
