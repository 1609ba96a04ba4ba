import { describe, expect, it } from '@jest/globals';
import { readRejection, readRetryInfo } from './answer.ts';

const field = (tag: number, content: Buffer | string): Buffer => {
  const bytes = Buffer.from(content as string);
  return Buffer.concat([Buffer.from([tag, bytes.length]), bytes]);
};

describe('a partial success', () => {
  it('is read from protobuf', () => {
    const partial = Buffer.concat([Buffer.from([0x08, 0xac, 0x02]), field(0x12, 'too old')]);
    expect(readRejection(field(0x0a, partial), false)).toEqual({ count: 300, reason: 'too old' });
  });

  it.each(['rejectedSpans', 'rejectedDataPoints', 'rejectedLogRecords'])('is read from JSON: %s', (name) => {
    const answer = JSON.stringify({ partialSuccess: { [name]: '3', errorMessage: 'no' } });
    expect(readRejection(Buffer.from(answer), true)).toEqual({ count: 3, reason: 'no' });
  });

  it('may be a warning alone', () => {
    expect(readRejection(field(0x0a, field(0x12, 'slow down')), false)).toEqual({ count: 0, reason: 'slow down' });
  });

  it.each([
    ['an empty answer', '', false],
    ['an empty answer in JSON', '', true],
    ['an empty object', '{}', true],
    ['nothing rejected', '{"partialSuccess":{}}', true],
    ['another answer', '<html>', true],
    ['bytes of no meaning', '\xff\xff\xff', false],
    ['a field cut short', '\x0a\x50a', false],
    ['an unknown field', '\x1a\x01a', false],
  ])('is not there in %s', (_name, answer, isJson) => {
    expect(readRejection(Buffer.from(answer, 'latin1'), isJson)).toBeUndefined();
  });
});

describe('RetryInfo', () => {
  const status = (type: string, value: Buffer): string => {
    const any = Buffer.concat([field(0x0a, `type.googleapis.com/${type}`), field(0x12, value)]);
    return Buffer.concat([Buffer.from([0x08, 8]), field(0x12, 'busy'), field(0x1a, any)]).toString('base64');
  };

  it('says when to come back', () => {
    // 2 s and 500,000,000 ns
    const delay = Buffer.from([0x08, 2, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01]);
    expect(readRetryInfo(status('google.rpc.RetryInfo', field(0x0a, delay)))).toBe(2_500);
    expect(readRetryInfo(status('google.rpc.RetryInfo', Buffer.alloc(0)))).toBe(0);
  });

  it.each([
    ['no details', undefined],
    ['others', status('google.rpc.ErrorInfo', Buffer.alloc(0))],
    ['what is no base64', '%%%'],
    ['what is no message', Buffer.from('hello').toString('base64')],
  ])('is not in %s', (_name, details) => {
    expect(readRetryInfo(details)).toBeUndefined();
  });
});
