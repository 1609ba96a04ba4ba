import type { Logger } from 'pino';
import type { ServingCertificate } from '../../webhook/certificates.ts';
import { endOf, isFresh, issue, renew, trusted } from '../../webhook/certificates.ts';
import type { Certificate } from '../../webhook/tls-server.ts';
import { ApiError } from '../kube/client.ts';
import type { OwnerReference } from '../installation.ts';
import { belongsTo, givenTo } from '../installation.ts';
import type { KubeClient } from '../kube/client.ts';
import { OWNED } from '../owned.ts';

/** What to serve with, and what clients have to trust for it. */
export interface Serving extends Certificate {
  /** Every authority that is good now, PEM. */
  authorities: string;
  /** When the certificate ends, milliseconds since 1970. */
  end: number;
}

/** Where the certificate comes from. */
export interface CertificateSource {
  /** The certificate to serve now. @throws where there is none, or it cannot be had now. */
  current(): Promise<Serving>;
  /** Milliseconds until it is to be looked at again, besides the times at which something is known to have changed. */
  readonly interval: number;
}

interface Secret {
  metadata: { name: string; namespace: string; resourceVersion?: string; ownerReferences?: { uid: string }[] };
  data?: Record<string, string>;
}

export interface CertificateKeeperOptions {
  namespace: string;
  secret: string;
  /** Of the Secret. */
  owners: () => OwnerReference[];
  service: string;
  logger: Logger;
}

const FIELDS = {
  ca: 'ca.crt',
  caKey: 'ca.key',
  certificate: 'tls.crt',
  privateKey: 'tls.key',
  previous: 'previous-ca.crt',
  cross: 'cross-ca.crt',
} as const;

/**
 * The operator's own certificate, kept in a Secret of its own namespace so that replicas serve the same one. Whoever finds
 * it damaged or near its end writes a new one; the API server's conflict detection makes the others take that. Whoever
 * finds the Secret gone makes a new authority, which overlaps with the one that it remembers.
 */
export class CertificateKeeper implements CertificateSource {
  readonly interval = 10 * 60 * 1000;
  readonly #client: KubeClient;
  readonly #options: CertificateKeeperOptions;
  readonly #now: () => number;
  #remembered: ServingCertificate | undefined;

  constructor(client: KubeClient, options: CertificateKeeperOptions, now: () => number = Date.now) {
    this.#client = client;
    this.#options = options;
    this.#now = now;
  }

  async current(): Promise<Serving> {
    const { certificate, privateKey, ...held } = await this.held();
    return { certificate, privateKey, authorities: trusted(held, this.#now()), end: endOf(certificate) };
  }

  /** The Secret's certificate while it is fresh, else a new one, which is stored first. */
  async held(): Promise<ServingCertificate> {
    const { namespace, secret, service, owners, logger } = this.#options;
    const names = [`${service}.${namespace}.svc`, `${service}.${namespace}.svc.cluster.local`];
    for (let attempt = 1; ; attempt++) {
      const stored = await this.#read();
      const held = stored && decode(stored);
      const fresh = held && (await isFresh(held, names, this.#now())) ? held : undefined;
      if (fresh && belongsTo(stored!.metadata, owners())) return (this.#remembered = fresh);
      const before = held ?? this.#remembered;
      const made =
        fresh ??
        (before ? await renew(names, this.#now(), before, held === undefined) : await issue(names, this.#now()));
      try {
        await this.#write(stored, made);
        if (fresh) return (this.#remembered = fresh);
        const authority = before?.ca === made.ca ? 'the same' : before ? 'a new one' : 'the first one';
        logger.info({ secret: `${namespace}/${secret}`, authority }, 'issued a serving certificate');
        return (this.#remembered = made);
      } catch (error) {
        // Another replica was faster: take what it wrote.
        if (!(error instanceof ApiError) || error.status !== 409 || attempt === 5) throw error;
      }
    }
  }

  async #read(): Promise<Secret | undefined> {
    const { namespace, secret } = this.#options;
    try {
      return await this.#client.request<Secret>('GET', `/api/v1/namespaces/${namespace}/secrets/${secret}`);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  async #write(stored: Secret | undefined, made: ServingCertificate): Promise<void> {
    const { namespace, secret, owners } = this.#options;
    const ownerReferences = owners();
    const base = `/api/v1/namespaces/${namespace}/secrets`;
    const { previous, ...own } = made;
    const texts = { ...own, previous: previous?.ca, cross: previous?.cross };
    const data = Object.fromEntries(
      Object.entries(FIELDS).flatMap(([field, key]) => {
        const text = texts[field as keyof typeof FIELDS];
        return text === undefined ? [] : [[key, Buffer.from(text).toString('base64')]];
      }),
    );
    if (stored) {
      const metadata = givenTo(stored.metadata, ownerReferences);
      await this.#client.request('PUT', `${base}/${secret}`, { body: { ...stored, metadata, data } });
      return;
    }
    const body = {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/tls',
      metadata: { name: secret, namespace, labels: OWNED, ownerReferences },
      data,
    };
    await this.#client.request('POST', base, { body });
  }
}

function decode(secret: Secret): ServingCertificate | undefined {
  const field = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
  const held = {
    ca: field(FIELDS.ca),
    caKey: field(FIELDS.caKey),
    certificate: field(FIELDS.certificate),
    privateKey: field(FIELDS.privateKey),
  };
  if (!Object.values(held).every(Boolean)) return undefined;
  const [ca, cross] = [field(FIELDS.previous), field(FIELDS.cross)];
  return { ...held, ...(ca && { previous: { ca, ...(cross && { cross }) } }) };
}
