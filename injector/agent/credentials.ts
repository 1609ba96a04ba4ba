import { readFileSync, readlink, readlinkSync } from 'node:fs';
import { describeFile } from '../credentials.ts';

/** What an exporter has to read before it can be used, by path below the credentials directory. */
export interface CredentialFiles {
  /** By header name. */
  headers: Record<string, string>;
  ca?: string;
  cert?: string;
  key?: string;
}

/** The same, read: header values, and PEM. */
export interface Credentials {
  headers: Record<string, string>;
  ca?: string;
  cert?: string;
  key?: string;
}

/** What a header may hold: https://www.rfc-editor.org/rfc/rfc9110#name-field-values */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]+$/;
const PATH = /^(secret|config-map)\/[^/]+\/[^/]+$/;

/**
 * Whether a document may name this file. It decides what a process reads and sends away, so it must not lead anywhere but
 * to what the kubelet has put there for this purpose.
 */
export function isCredentialPath(path: unknown): path is string {
  return typeof path === 'string' && PATH.test(path) && !path.split('/').some((part) => /^\.\.|^\.$|\0/.test(part));
}

/**
 * The Secrets and ConfigMaps that exporters need, as the kubelet keeps them: a directory behind the link `..data`, which
 * it swaps when one of them is made, renewed or deleted. Nothing is read before it is asked for.
 */
export class CredentialDirectory {
  private readonly path: string | undefined;
  private seen: string | undefined;
  private readonly read = new Map<string, Credentials | string>();

  /** `path` is undefined where the pod was made without one. */
  constructor(path: string | undefined) {
    this.path = path;
  }

  /**
   * What these files hold, or a sentence that says what is wrong with one of them. As long as nothing has changed it is
   * the very same object.
   */
  get(files: CredentialFiles): Credentials | string {
    const id = JSON.stringify(files);
    let found = this.read.get(id);
    if (found === undefined) this.read.set(id, (found = this.load(files)));
    return found;
  }

  /** Looks whether anything has changed; if so, what is asked for from now on is read again. */
  refresh(done: (changed: boolean) => void): void {
    if (this.path === undefined) return done(false);
    readlink(`${this.path}/..data`, (error, target) => {
      const changed = !error && target !== this.seen && this.read.size > 0;
      if (changed) this.read.clear();
      done(changed);
    });
  }

  private load(files: CredentialFiles): Credentials | string {
    // All through one target of the link: a certificate is not mixed with the key of another.
    const base = this.snapshot();
    try {
      const { ca, cert, key } = files;
      return {
        headers: Object.fromEntries(Object.entries(files.headers).map(([name, path]) => [name, header(base, path)])),
        ...(ca !== undefined && { ca: pem(base, ca) }),
        ...(cert !== undefined && { cert: pem(base, cert) }),
        ...(key !== undefined && { key: pem(base, key) }),
      };
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  private snapshot(): string | undefined {
    if (this.path === undefined) return undefined;
    try {
      this.seen = readlinkSync(`${this.path}/..data`);
      return `${this.path}/${this.seen}`;
    } catch {
      // Not there, or not made by a kubelet.
      this.seen = undefined;
      return this.path;
    }
  }
}

function text(base: string | undefined, path: string): string {
  if (base === undefined)
    throw new Error(`it needs ${describeFile(path)}, which this pod was made without: restart the pod`);
  try {
    return readFileSync(`${base}/${path}`, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new Error(
        `it needs ${describeFile(path)}, which is not there: make it, and restart pods older than the policy`,
      );
    throw new Error(`${describeFile(path)} cannot be read (${code ?? 'unknown'})`);
  }
}

function header(base: string | undefined, path: string): string {
  const value = text(base, path).trim();
  if (!HEADER_VALUE.test(value))
    throw new Error(`${describeFile(path)} is no header value: one line of text is needed`);
  return value;
}

function pem(base: string | undefined, path: string): string {
  const value = text(base, path);
  if (!value.includes('-----BEGIN ')) throw new Error(`${describeFile(path)} is not PEM: -----BEGIN … is needed`);
  return value;
}
