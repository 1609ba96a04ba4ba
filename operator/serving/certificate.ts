import type { Logger } from 'pino';
import type { ServingCertificate } from '../../webhook/certificates.ts';
import { isFresh, issue } from '../../webhook/certificates.ts';
import { ApiError, JSON_PATCH } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import { OWNED } from '../owned.ts';

interface Secret {
  metadata: { name: string; namespace: string; resourceVersion?: string };
  data?: Record<string, string>;
}

interface WebhookConfiguration {
  metadata: { resourceVersion: string };
  webhooks?: { name: string; clientConfig: { caBundle?: string } }[];
}

const FIELDS = { ca: 'ca.crt', caKey: 'ca.key', certificate: 'tls.crt', privateKey: 'tls.key' } as const;

/**
 * The webhook's certificate, kept in a Secret of our own namespace so that replicas serve the same one. Whoever finds it
 * missing, damaged or near its end writes a new one; the API server's conflict detection makes the others take that.
 */
export class CertificateKeeper {
  readonly #client: KubeClient;
  readonly #options: { namespace: string; secret: string; service: string; configuration: string; logger: Logger };
  readonly #now: () => number;

  constructor(
    client: KubeClient,
    options: { namespace: string; secret: string; service: string; configuration: string; logger: Logger },
    now: () => number = Date.now,
  ) {
    this.#client = client;
    this.#options = options;
    this.#now = now;
  }

  /** The certificate to serve now: the Secret's while it is fresh, else a new one, which is stored first. */
  async current(): Promise<ServingCertificate> {
    const { namespace, secret, service } = this.#options;
    const names = [`${service}.${namespace}.svc`, `${service}.${namespace}.svc.cluster.local`];
    for (let attempt = 1; ; attempt++) {
      const stored = await this.#read();
      const held = stored && decode(stored);
      if (held && (await isFresh(held, names, this.#now()))) return held;
      const made = await this.#issue(names, held);
      try {
        await this.#write(stored, made);
        this.#options.logger.info({ secret: `${namespace}/${secret}` }, 'issued a serving certificate');
        return made;
      } catch (error) {
        // Another replica was faster: take what it wrote.
        if (!(error instanceof ApiError) || error.status !== 409 || attempt === 5) throw error;
      }
    }
  }

  /** Writes the authority into the webhook configuration wherever another or none stands there. */
  async publish(ca: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#publish(ca);
      } catch (error) {
        // Somebody wrote at the same time, another replica as like as not: 422 is a failed test of the version.
        if (!(error instanceof ApiError) || ![409, 422].includes(error.status) || attempt === 5) throw error;
      }
    }
  }

  async #publish(ca: string): Promise<void> {
    const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${this.#options.configuration}`;
    const caBundle = Buffer.from(ca).toString('base64');
    const configuration = await this.#client.request<WebhookConfiguration>('GET', path);
    const patch = (configuration.webhooks ?? []).flatMap(({ clientConfig }, i) =>
      clientConfig.caBundle === caBundle
        ? []
        : [{ op: 'add', path: `/webhooks/${i}/clientConfig/caBundle`, value: caBundle }],
    );
    if (patch.length === 0) return;
    const guard = { op: 'test', path: '/metadata/resourceVersion', value: configuration.metadata.resourceVersion };
    await this.#client.request('PATCH', path, { body: [guard, ...patch], contentType: JSON_PATCH });
    this.#options.logger.info({ configuration: this.#options.configuration }, 'wrote the CA bundle');
  }

  async #issue(names: string[], held: ServingCertificate | undefined): Promise<ServingCertificate> {
    if (held) {
      const renewed = await issue(names, this.#now(), held).catch(() => undefined);
      if (renewed && (await isFresh(renewed, names, this.#now()))) return renewed;
    }
    return issue(names, this.#now());
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
    const { namespace, secret } = this.#options;
    const base = `/api/v1/namespaces/${namespace}/secrets`;
    const data = Object.fromEntries(
      Object.entries(FIELDS).map(([field, key]) => [
        key,
        Buffer.from(made[field as keyof typeof FIELDS]).toString('base64'),
      ]),
    );
    if (stored) {
      await this.#client.request('PUT', `${base}/${secret}`, { body: { ...stored, data } });
      return;
    }
    const body = {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/tls',
      metadata: { name: secret, namespace, labels: OWNED },
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
  return Object.values(held).every(Boolean) ? held : undefined;
}
