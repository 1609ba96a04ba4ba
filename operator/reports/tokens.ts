import { createHash } from 'node:crypto';
import { REPORT_AUDIENCE } from '../../injector/names.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Sender } from './report.ts';

/** Who a token belongs to: a pod, or a service account without one. */
export interface Identity {
  username: string;
  sender: Sender | undefined;
}

interface TokenReview {
  status?: {
    authenticated?: boolean;
    audiences?: string[];
    user?: { username?: string; extra?: Record<string, string[]> };
  };
}

const KEPT = 20_000;
const POD_NAME = 'authentication.kubernetes.io/pod-name';
const POD_UID = 'authentication.kubernetes.io/pod-uid';

/**
 * Asks the API server whose token it is, once a token: its hash is remembered until the token ends. Tokens for other
 * audiences are refused, so that nobody can make use here of a token that was meant for the API server.
 */
export class Tokens {
  readonly #client: KubeClient;
  readonly #now: () => number;
  readonly #known = new Map<string, { identity: Identity | undefined; until: number }>();

  constructor(client: KubeClient, now: () => number) {
    this.#client = client;
    this.#now = now;
  }

  /** Undefined for a token that is no good. @throws where the API server cannot be asked. */
  async identify(token: string): Promise<Identity | undefined> {
    const hash = createHash('sha256').update(token).digest('base64');
    const known = this.#known.get(hash);
    if (known && known.until > this.#now()) return known.identity;
    const { status } = await this.#client.request<TokenReview>('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, audiences: [REPORT_AUDIENCE] },
      },
    });
    const identity =
      status?.authenticated && status.audiences?.includes(REPORT_AUDIENCE) ? whose(status.user) : undefined;
    // A bad token is remembered too, so that whoever sends it again and again costs no request each; not for long, as the
    // API server may not know of a pod yet.
    const until = this.#now() + (identity ? Math.min(endOf(token) - this.#now(), 3_600_000) : 10_000);
    if (this.#known.size >= KEPT) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(hash, { identity, until });
    return identity;
  }
}

function whose(user: { username?: string; extra?: Record<string, string[]> } | undefined): Identity | undefined {
  const username = user?.username ?? '';
  const [, namespace] = /^system:serviceaccount:([^:]+):[^:]+$/.exec(username) ?? [];
  if (namespace === undefined) return undefined;
  const [pod] = user?.extra?.[POD_NAME] ?? [];
  const [podUid] = user?.extra?.[POD_UID] ?? [];
  return { username, sender: pod && podUid ? { namespace, pod, podUid } : undefined };
}

/** When a token that the API server has found good ends, from its own claims; milliseconds since 1970. */
function endOf(token: string): number {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { exp?: number };
    return (claims.exp ?? 0) * 1000;
  } catch {
    return 0;
  }
}
