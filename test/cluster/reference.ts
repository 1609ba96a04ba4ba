/**
 * The full form of an image reference, as containerd and Docker understand it: `node:24` is
 * `docker.io/library/node:24`, `org/app` is `docker.io/org/app:latest`.
 */
export function normalizeReference(reference: string): string {
  if (!/^[\w][\w./:@-]*$/.test(reference)) throw new Error(`not an image reference: ${JSON.stringify(reference)}`);
  const slash = reference.indexOf('/');
  const first = slash === -1 ? '' : reference.slice(0, slash);
  const hasHost = first === 'localhost' || first.includes('.') || first.includes(':');
  const host = hasHost ? (first === 'index.docker.io' ? 'docker.io' : first) : 'docker.io';
  const rest = hasHost ? reference.slice(slash + 1) : reference;
  const path = host === 'docker.io' && !rest.includes('/') ? `library/${rest}` : rest;
  const hasVersion = path.includes('@') || path.slice(path.lastIndexOf('/') + 1).includes(':');
  return `${host}/${path}${hasVersion ? '' : ':latest'}`;
}

/** A reference as part of a file name. */
export function slugOf(reference: string): string {
  return reference.replace(/[^A-Za-z0-9.]+/g, '-');
}
