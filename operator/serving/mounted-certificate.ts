import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import tls from 'node:tls';
import { endOf } from '../../webhook/certificates.ts';
import type { CertificateSource, Serving } from './certificate.ts';

/**
 * A certificate that somebody else makes, cert-manager for one, in files that a volume brings: `tls.crt`, `tls.key` and
 * `ca.crt`. They are read again every ten seconds; a volume's files are not worth a watch.
 */
export class MountedCertificate implements CertificateSource {
  readonly interval = 10_000;
  readonly #directory: string;
  readonly #now: () => number;
  /** Authorities seen so far, the present one first: pods that were told of an earlier one go on reporting. */
  #authorities: string[] = [];

  constructor(directory: string, now: () => number = Date.now) {
    this.#directory = directory;
    this.#now = now;
  }

  async current(): Promise<Serving> {
    const read = async (name: string) => {
      const text = await readFile(join(this.#directory, name), 'utf8');
      if (text.trim() === '')
        throw new Error(`${join(this.#directory, name)} is empty: the issuer has to give tls.crt, tls.key and ca.crt`);
      return text;
    };
    const [certificate, privateKey, ca] = await Promise.all(['tls.crt', 'tls.key', 'ca.crt'].map(read));
    try {
      tls.createSecureContext({ cert: certificate!, key: privateKey!, ca: ca! });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`the certificate in ${this.#directory} cannot be served: ${reason}`, { cause: error });
    }
    const before = this.#authorities.filter((each) => each !== ca && endOf(each) > this.#now());
    this.#authorities = [ca!, ...before];
    return {
      certificate: certificate!,
      privateKey: privateKey!,
      authorities: this.#authorities.map((each) => each.trimEnd()).join('\n') + '\n',
      end: endOf(certificate!),
    };
  }
}
