import { describe, expect, it } from '@jest/globals';
import { severityOfName, severityOfNumber } from './severity.ts';
import { marked } from './pino.ts';
import { LogTap, replaceMethod, type LogLine } from './tap.ts';

type Say = (text: string) => string;
const line = (body: string): LogLine => ({
  library: 'x',
  level: 'info',
  severity: 9,
  body,
  fields: {},
  trace: undefined,
});

function tapped(): { tap: LogTap; logger: { say: Say }; original: Say; sent: string[]; sink: (line: LogLine) => void } {
  const tap = new LogTap(
    () => false,
    () => undefined,
  );
  const original: Say = (text) => `said ${text}`;
  const logger = { say: original };
  const make =
    (before: () => Say): Say =>
    (text) => {
      tap.tell(() => line(text));
      return before()(text);
    };
  tap.add(replaceMethod(logger, 'say', make));
  const sent: string[] = [];
  return { tap, logger, original, sent, sink: ({ body }) => sent.push(String(body)) };
}

describe('a tap', () => {
  it('leaves a library as it came while nothing is wanted of it', () => {
    const { tap, logger, original, sent, sink } = tapped();
    expect(logger.say).toBe(original);
    tap.set(false, sink);
    expect(logger.say('a')).toBe('said a');
    tap.set(true, undefined);
    expect(logger.say('b')).toBe('said b');
    tap.set(false, undefined);
    expect(logger.say).toBe(original);
    expect(sent).toEqual(['a']);
  });

  it('stays below what somebody else has put over it, and over what somebody has put in its place', () => {
    const { tap, logger, sent, sink } = tapped();
    tap.set(false, sink);
    const ours = logger.say;
    const theirs: Say = (text) => `theirs ${ours(text)}`;
    logger.say = theirs;
    tap.set(false, undefined);
    expect(logger.say('a')).toBe('theirs said a');
    tap.set(false, sink);
    expect(logger.say).toBe(theirs);
    expect(logger.say('b')).toBe('theirs said b');
    expect(sent).toEqual(['b']);
  });

  it('wraps what an app has put there while it was off', () => {
    const { tap, logger, original, sent, sink } = tapped();
    logger.say = (text) => `theirs ${original(text)}`;
    tap.set(false, sink);
    expect(logger.say('a')).toBe('theirs said a');
    expect(sent).toEqual(['a']);
  });

  it('does not let what goes wrong reach the app, nor what is said while a line is taken come back', () => {
    const { tap, logger, sent } = tapped();
    tap.set(false, () => {
      sent.push('taken');
      logger.say('again');
      throw new Error('ours');
    });
    expect(logger.say('a')).toBe('said a');
    expect(logger.say('b')).toBe('said b');
    expect(sent).toEqual(['taken', 'taken']);
  });
});

it.each([
  [5, 1],
  [10, 1],
  [20, 5],
  [30, 9],
  [35, 11],
  [40, 13],
  [50, 17],
  [60, 21],
  [100, 21],
])('level %s is severity %s', (level, severity) => expect(severityOfNumber(level)).toBe(severity));

it('knows the names of levels, and not those that nobody defined', () => {
  expect(['error', 'warning', 'http', 'silly', 'chatty', 'constructor'].map(severityOfName)).toEqual([
    17, 13, 7, 1, 0, 0,
  ]);
});

it.each([
  ['{"msg":"a"}\n', '{"msg":"a","trace_id":"t"}\n'],
  ['{}\r\n', '{"trace_id":"t"}\r\n'],
  ['{"trace_id":"own"}\n', '{"trace_id":"own"}\n'],
  ['text } of an own format\n', 'text } of an own format\n'],
])('%j becomes %j', (before, after) => expect(marked(before, '{"trace_id":"t"}')).toBe(after));
