/**
 * Names of HTTP headers whose values are, or may well be, secrets: never recorded, whatever a policy says. In the syntax
 * that JavaScript and RE2 (CEL, in the API server) have in common.
 */
export const SECRET_HEADER =
  '(?i)(authoriz|authent|cookie|token|secret|passw|credential|session|signature|api-?key|access-?key|private-?key|csrf|xsrf|jwt|(^|-)auth(-|$))';

/** The same for JavaScript, which says outside of the pattern that case does not matter. */
export const isSecretHeader = (name: string): boolean => new RegExp(SECRET_HEADER.slice(4), 'i').test(name);
