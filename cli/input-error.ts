import type * as z from 'zod';

/** What was given cannot be worked on; the message says where, what is allowed and an example. Exit code 2. */
export class InputError extends Error {
  override name = 'InputError';
}

/** The first thing that a schema does not like: where, and what is allowed there. */
export function firstIssue({
  error,
}: z.ZodSafeParseResult<unknown>): { path: PropertyKey[]; message: string } | undefined {
  const issue = error?.issues[0];
  if (!issue) return undefined;
  // Of a map's key the reason is one level below.
  const reason = issue.code === 'invalid_key' ? issue.issues[0] : undefined;
  return { path: issue.path, message: reason?.message ?? issue.message };
}
