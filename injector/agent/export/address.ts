import * as dns from 'node:dns';
import { readFileSync } from 'node:fs';
import { isIP, type LookupFunction } from 'node:net';

const GIVE_UP_MILLIS = 1000;

type Answer = (error: Error | null, addresses: string[]) => void;

/**
 * Where receivers are. Node's own look-up of a name cannot be given up: a process that ends meanwhile waits for it, with a
 * DNS server that does not answer for tens of seconds. So the server is asked in a way that can be, and Node's own look-up
 * is left for what the server does not know.
 */
export class Addresses {
  private readonly known = new Map<string, string>();

  /** The address last found for a name; undefined where none was found yet. */
  last(host: string): string | undefined {
    return isIP(host) ? host : this.known.get(host);
  }

  /** Finds out in the background, for `last`. */
  prepare(host: string): void {
    if (this.last(host) === undefined) this.find(host, () => undefined);
  }

  /** For the options of a connection. */
  readonly lookup: LookupFunction = (host, options, callback) => {
    this.find(host, (error, addresses) => {
      const found = addresses.map((address) => ({ address, family: isIP(address) }));
      if (error) callback(error, '', 0);
      else if (options.all) callback(null, found);
      else callback(null, found[0]!.address, found[0]!.family);
    });
  };

  private find(host: string, answer: Answer): void {
    const done: Answer = (error, addresses) => {
      if (addresses[0] !== undefined) this.known.set(host, addresses[0]);
      answer(error, addresses);
    };
    const asNode = (): void =>
      dns.lookup(host, { all: true }, (error, found = []) =>
        done(
          error,
          found.map(({ address }) => address),
        ),
      );
    if (read('/etc/hosts').split(/\s+/).includes(host)) return asNode();
    const resolver = new dns.Resolver({ timeout: 500, tries: 2 });
    const bound = setTimeout(() => resolver.cancel(), GIVE_UP_MILLIS).unref();
    const names = candidates(host, read('/etc/resolv.conf'));
    const next = (at: number, v6: boolean): void => {
      const name = names[at];
      if (name === undefined) {
        clearTimeout(bound);
        return asNode();
      }
      const answered = (error: NodeJS.ErrnoException | null, addresses: string[]): void => {
        if (!error && addresses.length > 0) {
          clearTimeout(bound);
          done(null, addresses);
        } else if (error && /TIMEOUT|CANCELLED/.test(error.code ?? '')) {
          clearTimeout(bound);
          done(error, []);
        } else if (!v6 && error?.code === dns.NODATA) next(at, true);
        else next(at + 1, false);
      };
      if (v6) resolver.resolve6(name, answered);
      else resolver.resolve4(name, answered);
    };
    next(0, false);
  }
}

/** Those of this process. */
export const addresses = new Addresses();

/** The full names that a name may stand for, in the order of resolv.conf(5). */
export function candidates(host: string, resolvConf: string): string[] {
  if (host.endsWith('.')) return [host];
  const domains = /^(?:search|domain)\s+(.*)$/m.exec(resolvConf)?.[1]?.trim().split(/\s+/) ?? [];
  const dots = Number(/\bndots:(\d+)/.exec(resolvConf)?.[1] ?? 1);
  const longer = domains.map((domain) => `${host}.${domain}`);
  return host.split('.').length > dots ? [host, ...longer] : [...longer, host];
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
