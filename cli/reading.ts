import type { ObjectMeta } from '../injector/pod.ts';
import type { KubeClient } from '../operator/kube/client.ts';
import { ApiError } from '../operator/kube/client.ts';
import { InputError } from './input-error.ts';

export interface List<T> {
  /** Null where there are none, in lists of metadata alone. */
  items: T[] | null;
  metadata: { continue?: string };
}

/**
 * Undefined where the thing is not there, or may not be read; in that case `leavesOpen` is remembered: what was asked for, and
 * what nobody knows without it.
 */
export type Read = <T>(
  path: string,
  leavesOpen: string,
  query?: Record<string, string | number>,
  accept?: string,
) => Promise<T | undefined>;

/** Reads with the rights that somebody has, and remembers which were missing. */
export class Reading {
  readonly #client: KubeClient;
  readonly #closed = new Set<string>();
  /** Every question, in the order in which they were asked: answers come in any. */
  readonly #questions = new Set<string>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  readonly read: Read = async <T>(path: string, leavesOpen: string, query = {}, accept?: string) => {
    this.#questions.add(leavesOpen);
    try {
      return await this.#client.request<T>('GET', path, { query, ...(accept !== undefined && { accept }) });
    } catch (error) {
      if (!(error instanceof ApiError) || ![401, 403, 404].includes(error.status)) throw error;
      if (error.status !== 404) this.#closed.add(leavesOpen);
      return undefined;
    }
  };

  /** The metadata of a namespace; undefined where it may not be read. @throws InputError where there is none of that name. */
  async namespace(name: string, leavesOpen: string): Promise<{ metadata: ObjectMeta } | undefined> {
    const found = await this.read<{ metadata: ObjectMeta }>(`/api/v1/namespaces/${name}`, leavesOpen);
    if (!found && !this.#closed.has(leavesOpen))
      throw new InputError(`there is no namespace ${name}. Which there are: kubectl get namespaces`);
    return found;
  }

  /** What could not be read, and what that leaves open. */
  get closed(): string[] {
    return [...this.#questions].filter((question) => this.#closed.has(question));
  }
}

/** What whoever lacks a right in a namespace can ask for. */
export function roleNeeded(role: 'view' | 'edit', namespace: string): string {
  return `the role ${role} is enough, e.g. kubectl -n ${namespace} create rolebinding me-${role} --clusterrole=${role} --user=ME`;
}

/** Metadata alone, for lists of which no more is needed. */
export const METADATA_LIST = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
/** Selects pods that run or are still to: those whose processes have ended say nothing any more. */
export const LIVE = 'status.phase!=Succeeded,status.phase!=Failed';

/** Items of one page of a list. */
const PAGE = 500;

/** A whole list, page by page; undefined where it may not be read. */
export async function readAll<T>(
  read: Read,
  path: string,
  leavesOpen: string,
  query: Record<string, string> = {},
  accept?: string,
): Promise<T[] | undefined> {
  const items: T[] = [];
  let token: string | undefined;
  do {
    const asked = { limit: PAGE, ...query, ...(token !== undefined && { continue: token }) };
    const page: List<T> | undefined = await read(path, leavesOpen, asked, accept);
    if (!page) return undefined;
    items.push(...(page.items ?? []));
    token = page.metadata.continue || undefined;
  } while (token !== undefined);
  return items;
}
