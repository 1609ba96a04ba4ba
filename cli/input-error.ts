/** What was given cannot be worked on; the message says where, what is allowed and an example. Exit code 2. */
export class InputError extends Error {
  override name = 'InputError';
}
