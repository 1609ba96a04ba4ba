import { createHash } from 'node:crypto';
import type { KubeClient } from '../kube/client.ts';

/** Somebody whom the API server knows. */
export interface Viewer {
  name: string;
  /** What decisions about this viewer are remembered by. */
  key: string;
  /** As a SubjectAccessReview takes it. */
  subject: Subject;
}

export interface Subject {
  user: string;
  groups: string[];
  uid?: string;
  extra?: Record<string, string[]>;
}

/** What shows who somebody is. */
export type Credential = { token: string } | { certificate: { commonName: string; organizations: string[] } };

interface TokenReview {
  status?: {
    authenticated?: boolean;
    user?: { username?: string; uid?: string; groups?: string[]; extra?: Record<string, string[]> };
  };
}

/** All that the page shows of a namespace is of these: whoever may list them there could read it without us. */
const SHOWN = [
  { group: '', resource: 'pods' },
  { group: '', resource: 'configmaps' },
  { group: 'events.k8s.io', resource: 'events' },
  { group: 'tracing.acme', resource: 'tracingpolicies' },
] as const;
const CLUSTER_POLICIES = { group: 'tracing.acme', resource: 'clustertracingpolicies' };

/** Milliseconds for which an answer of the API server is remembered: a right that was taken away ends so soon. */
const KEPT = 60_000;
/** For which a bad token is. */
const REFUSED = 10_000;
/** Answers that are remembered, of each kind. */
const MOST = 20_000;
/** Questions to the API server at a time, over all viewers. */
const AT_ONCE = 8;
/** Questions that wait: more viewers than that are told to come again. */
const WAITING = 5_000;

/** Too much is asked for at a time. */
export class Busy extends Error {
  override name = 'Busy';
}

interface Answer<T> {
  value: T;
  until: number;
}

/**
 * Asks the API server who somebody is, and what they may list. Answers are remembered for a minute, and by the hash of a
 * token, never the token.
 */
export class Viewers {
  readonly #client: Pick<KubeClient, 'request'>;
  readonly #now: () => number;
  readonly #known = new Map<string, Answer<Viewer | undefined>>();
  readonly #decisions = new Map<string, Answer<boolean>>();
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(client: Pick<KubeClient, 'request'>, now: () => number) {
    this.#client = client;
    this.#now = now;
  }

  /** Undefined for a token that is no good, or has ended. @throws Busy; Error where the API server cannot be asked. */
  async identify(credential: Credential): Promise<Viewer | undefined> {
    if ('certificate' in credential) return ofCertificate(credential.certificate);
    const hash = createHash('sha256').update(credential.token).digest('base64');
    return this.#remembered(this.#known, hash, async () => {
      const viewer = await this.#review(credential.token);
      return { value: viewer, for: viewer ? KEPT : REFUSED };
    });
  }

  /** Of these namespaces those that a viewer may see, and whether that would be so of any other. */
  async visible(viewer: Viewer, namespaces: readonly string[]): Promise<{ all: boolean; namespaces: Set<string> }> {
    if (await this.#mayList(viewer, undefined)) return { all: true, namespaces: new Set(namespaces) };
    const allowed = await Promise.all(namespaces.map((name) => this.#mayList(viewer, name)));
    return { all: false, namespaces: new Set(namespaces.filter((_, i) => allowed[i])) };
  }

  /** Whether a viewer may see one namespace. */
  async maySee(viewer: Viewer, namespace: string): Promise<boolean> {
    return (await this.#mayList(viewer, undefined)) || this.#mayList(viewer, namespace);
  }

  async maySeeClusterPolicies(viewer: Viewer): Promise<boolean> {
    return this.#may(viewer, CLUSTER_POLICIES, undefined);
  }

  async #mayList(viewer: Viewer, namespace: string | undefined): Promise<boolean> {
    // The first that is refused ends it: of a namespace that is none of somebody's business one question is asked.
    for (const what of SHOWN) if (!(await this.#may(viewer, what, namespace))) return false;
    return true;
  }

  async #may(
    { key, subject }: Viewer,
    { group, resource }: { group: string; resource: string },
    namespace: string | undefined,
  ): Promise<boolean> {
    return this.#remembered(this.#decisions, `${key} ${resource} ${namespace ?? ''}`, async () => {
      const resourceAttributes = { verb: 'list', group, resource, ...(namespace !== undefined && { namespace }) };
      const { status } = await this.#ask<{ status?: { allowed?: boolean } }>(
        '/apis/authorization.k8s.io/v1/subjectaccessreviews',
        {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SubjectAccessReview',
          spec: { ...subject, resourceAttributes },
        },
      );
      return { value: status?.allowed === true, for: KEPT };
    });
  }

  async #review(token: string): Promise<Viewer | undefined> {
    const { status } = await this.#ask<TokenReview>('/apis/authentication.k8s.io/v1/tokenreviews', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      // No audience: that of the API server itself. A token for anybody else is none that a person has.
      spec: { token },
    });
    const { username, uid, groups = [], extra } = status?.user ?? {};
    if (!status?.authenticated || !username) return undefined;
    return viewer({ user: username, groups, ...(uid && { uid }), ...(extra && { extra }) });
  }

  async #remembered<T>(
    answers: Map<string, Answer<T>>,
    key: string,
    ask: () => Promise<{ value: T; for: number }>,
  ): Promise<T> {
    const known = answers.get(key);
    if (known && known.until > this.#now()) return known.value;
    const answer = await ask();
    if (answers.size >= MOST) answers.delete(answers.keys().next().value!);
    answers.delete(key);
    answers.set(key, { value: answer.value, until: this.#now() + answer.for });
    return answer.value;
  }

  async #ask<T>(path: string, body: object): Promise<T> {
    if (this.#queue.length >= WAITING) throw new Busy('too many people ask at a time');
    if (this.#running >= AT_ONCE) await new Promise<void>((resolve) => this.#queue.push(resolve));
    else this.#running++;
    try {
      return await this.#client.request<T>('POST', path, { body, timeout: 10_000 });
    } finally {
      // Whoever waits takes the place.
      const next = this.#queue.shift();
      if (next) next();
      else this.#running--;
    }
  }
}

/** A certificate as the API server takes it: its common name is the user, its organizations are groups. */
function ofCertificate({ commonName, organizations }: { commonName: string; organizations: string[] }): Viewer {
  return viewer({ user: commonName, groups: [...organizations, 'system:authenticated'] });
}

function viewer(subject: Subject): Viewer {
  const key = createHash('sha256').update(JSON.stringify(subject)).digest('base64');
  return { name: subject.user, key, subject };
}
