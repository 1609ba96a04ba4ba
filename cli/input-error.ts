import type * as z from 'zod';
import { didYouMean } from './suggestion.ts';

/** What was given cannot be worked on; the message says where, what is allowed and an example. Exit code 2. */
export class InputError extends Error {
  override name = 'InputError';
}

/** What is wrong at a place of an object, and what is allowed there. */
export interface Issue {
  path: PropertyKey[];
  message: string;
}

/** What a schema does not like. @param given what was read: where it is one of few words, the nearest of those is named. */
export function issues({ error }: z.ZodSafeParseResult<unknown>, given?: unknown): Issue[] {
  return (error?.issues ?? []).map((issue) => {
    // Of a map's key the reason is one level below.
    const reason = issue.code === 'invalid_key' ? issue.issues[0] : undefined;
    return { path: issue.path, message: reason?.message ?? inWords(issue, given) };
  });
}

/** The first of them. */
export function firstIssue(result: z.ZodSafeParseResult<unknown>): Issue | undefined {
  return issues(result)[0];
}

/** A path as the API server writes it: `spec.exporters[0].name`. */
export function fieldPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text ? `${text}.${String(step)}` : String(step)),
    '',
  );
}

const COUNTED: Record<string, string> = { string: ' characters', array: ' items', object: ' entries' };

/** What a schema says in its own words is for people already. */
function inWords(issue: z.core.$ZodIssue, given: unknown): string {
  const { message } = issue;
  if (!/^(Invalid (input|option)|Too (big|small)): /.test(message)) return message;
  if (issue.code === 'invalid_type') {
    const received = /received (\w+)$/.exec(message)?.[1] ?? 'something else';
    return received === 'undefined'
      ? `is missing: ${a(issue.expected)} is expected`
      : `has to be ${a(issue.expected)}, not ${a(received)}`;
  }
  if (issue.code === 'too_big')
    return `has to be ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}${COUNTED[issue.origin] ?? ''}`;
  if (issue.code === 'too_small')
    return `has to be ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}${COUNTED[issue.origin] ?? ''}`;
  if (issue.code === 'invalid_value') {
    const words = issue.values.map(String);
    const value = issue.path.reduce<unknown>(
      (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
      given,
    );
    const near = typeof value === 'string' ? didYouMean(value, words) : '';
    return `has to be one of ${words.join(', ')}${near && `.${near}`}`;
  }
  return message;
}

function a(type: string): string {
  return `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type}`;
}
