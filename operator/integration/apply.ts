import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { ApiError, APPLY } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import type { KubeObject } from '../kube/reflector.ts';
import { OWNED } from '../owned.ts';
import type { DesiredObject, Watched } from './system.ts';
import type { IntegrationView } from './view.ts';

export const FIELD_MANAGER = 'tracing-operator-integration';

/** Why an object is not as it is to be. */
export interface Conflict {
  /** Conflict: its owner has set it. Incomplete: the API server, or a webhook of the system's, does not take it. */
  state: 'Conflict' | 'Incomplete';
  /** `Telemetry tracing-acme` */
  object: string;
  /** Who has set what, with both values; or why it is not taken. */
  message: string;
}

/** An object with all that is to be said of it. */
export type CompleteObject = DesiredObject & { metadata: { namespace: string; ownerReferences: object[] } };

/**
 * Makes objects as they are to be, by server-side apply and never by force: what somebody else has set stays, and is
 * returned as a conflict with both values. What is as it is to be is not written; neither is a conflict tried again while
 * both sides say what they said.
 */
export class Applier {
  readonly #client: KubeClient;
  readonly #view: IntegrationView;
  readonly #logger: Logger;
  readonly #refused = new Map<string, { version: string | undefined; wanted: CompleteObject; conflict: Conflict }>();

  constructor(client: KubeClient, view: IntegrationView, logger: Logger) {
    this.#client = client;
    this.#view = view;
    this.#logger = logger;
  }

  /** Makes the objects of a collection in a namespace exactly those that are ours. */
  async reconcile(
    watched: Watched,
    namespace: string,
    objects: readonly CompleteObject[],
    signal: AbortSignal,
  ): Promise<Conflict[]> {
    const path = collectionPath(this.#view, watched, namespace);
    if (path === undefined) return [];
    const existing = new Map(this.#view.list(watched, namespace).map((object) => [object.metadata.name, object]));
    const conflicts: Conflict[] = [];
    for (const object of objects) {
      const conflict = await this.#apply(
        watched,
        `${path}/${object.metadata.name}`,
        object,
        existing.get(object.metadata.name),
        signal,
      );
      if (conflict) conflicts.push(conflict);
    }
    for (const [name, object] of existing) {
      if (!isOwned(object) || objects.some(({ metadata }) => metadata.name === name)) continue;
      await this.#delete(`${path}/${name}`, object, signal);
    }
    return conflicts;
  }

  async #apply(
    watched: Watched,
    path: string,
    wanted: CompleteObject,
    existing: KubeObject | undefined,
    signal: AbortSignal,
  ): Promise<Conflict | undefined> {
    if (existing && isAs(wanted, existing)) {
      this.#refused.delete(path);
      return undefined;
    }
    const refused = this.#refused.get(path);
    const version = existing?.metadata.resourceVersion;
    if (refused && refused.version === version && isDeepStrictEqual(refused.wanted, wanted)) return refused.conflict;
    try {
      const applied = await this.#client.request<KubeObject>('PATCH', path, {
        query: { fieldManager: FIELD_MANAGER },
        contentType: APPLY,
        body: wanted,
        signal,
      });
      this.#refused.delete(path);
      this.#view.note(watched, applied);
      this.#logger.info({ kind: wanted.kind, ...wanted.metadata }, 'applied');
      return undefined;
    } catch (error) {
      if (!(error instanceof ApiError) || (error.status !== 409 && !isRefusal(error))) throw error;
      const object = `${wanted.kind} ${wanted.metadata.name}`;
      const conflict: Conflict = isRefusal(error)
        ? { state: 'Incomplete', object, message: refusal(error) }
        : { state: 'Conflict', object, message: describeConflict(error.message, wanted, existing) };
      this.#refused.set(path, { version, wanted, conflict });
      return conflict;
    }
  }

  async #delete(path: string, { metadata }: KubeObject, signal: AbortSignal): Promise<void> {
    this.#refused.delete(path);
    try {
      const preconditions = { uid: metadata['uid'] };
      await this.#client.request('DELETE', path, {
        body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions },
        signal,
      });
      this.#logger.info({ path }, 'removed');
    } catch (error) {
      if (!(error instanceof ApiError) || ![404, 409].includes(error.status)) throw error;
    }
  }
}

/** Where a collection's objects of a namespace are; undefined where it is not served. */
export function collectionPath(view: IntegrationView, watched: Watched, namespace: string): string | undefined {
  const version = view.version(watched);
  if (version === undefined) return undefined;
  const { group, resource, isNamespace } = watched;
  if (isNamespace) return `/api/${version}/${resource}`;
  return `${group === '' ? `/api/${version}` : `/apis/${group}/${version}`}/namespaces/${namespace}/${resource}`;
}

/**
 * Whether it would be refused again: by the schema, or by a webhook of the system's. A field that the installed version does not
 * know yet is an internal error to API servers, as with Telemetry's targetRefs in older Istios.
 */
export function isRefusal({ status, said }: ApiError): boolean {
  return status === 400 || status === 422 || (status === 500 && said.endsWith('field not declared in schema'));
}

export function refusal({ said }: ApiError): string {
  return `is not taken: ${said}`;
}

function isOwned({ metadata }: KubeObject): boolean {
  const labels = metadata['labels'] as Record<string, string> | undefined;
  return Object.entries(OWNED).every(([name, value]) => labels?.[name] === value);
}

/** Whether an object says all that is wanted of its metadata, and of the rest just that. */
export function isAs(wanted: CompleteObject, existing: KubeObject): boolean {
  const { metadata, ...rest } = wanted;
  return (
    includes(existing.metadata, metadata) &&
    Object.entries(rest).every(([field, value]) => isDeepStrictEqual((existing as never)[field], value))
  );
}

export function includes(existing: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted))
    return (
      Array.isArray(existing) &&
      existing.length === wanted.length &&
      wanted.every((item, i) => includes(existing[i], item))
    );
  if (typeof wanted !== 'object' || wanted === null) return existing === wanted;
  if (typeof existing !== 'object' || existing === null) return false;
  return Object.entries(wanted).every(([key, value]) => includes((existing as Record<string, unknown>)[key], value));
}

/** What the API server says of a conflict: `conflict with "kubectl-edit" using telemetry.istio.io/v1: .spec.tracing`. */
const CONFLICT = /conflicts? with "([^"]*)"[^:]*:\s*(\.\S+)/;
const VALUE = 200;

/** Who has set which field to what, and what we would. */
export function describeConflict(message: string, wanted: object, existing: object | undefined): string {
  const [, manager = 'somebody else', field = ''] = CONFLICT.exec(message.replaceAll('\n- ', ' ')) ?? [];
  const [theirs, ours] = [existing, wanted].map((object) => JSON.stringify(at(object, field))?.slice(0, VALUE));
  return `${manager} has set ${field.slice(1) || 'it'} to ${theirs ?? 'something'}, and the policy asks for ${ours ?? 'something else'}`;
}

function at(object: unknown, path: string): unknown {
  let node = object;
  for (const key of path.split('.').slice(1)) node = (node as Record<string, unknown> | undefined)?.[key];
  return node;
}
