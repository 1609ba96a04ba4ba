import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { ADDED_BY } from '../../injector/names.ts';
import { ApiError, APPLY } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import type { KubeObject } from '../kube/reflector.ts';
import type { Conflict } from './apply.ts';
import { collectionPath, FIELD_MANAGER, includes, isRefusal, refusal } from './apply.ts';
import type { AddedTo, DesiredAddition } from './system.ts';
import type { IntegrationView } from './view.ts';

type Foreign = KubeObject & { metadata: { annotations?: Record<string, string> }; data?: Record<string, string> };

/** What is ours in an object: annotations, and data of a ConfigMap. */
export interface Fields {
  annotations?: Record<string, string> | undefined;
  data?: Record<string, string> | undefined;
}

/** An object of others, and where it is. */
interface Target {
  to: AddedTo;
  apiVersion: string;
  path: string;
  object: Foreign;
  /** The policy, for people. */
  source: string;
}

/**
 * Adds annotations and data to objects of others, by server-side apply and never by force: a field that somebody else has
 * set stays as it is and is returned as a conflict with both values, and the rest is added without it. An annotation says
 * which policy it was and what was added, so that it is known after a restart and seen by the owner. To take it away is to
 * apply nothing: a field that somebody else has set too stays theirs.
 */
export class Additions {
  readonly #client: KubeClient;
  readonly #view: IntegrationView;
  readonly #logger: Logger;
  /** By path: what an object was left like, which it stays while neither side says anything new. */
  readonly #left = new Map<string, { version: string; wanted: Fields; conflicts: Conflict[] }>();

  constructor(client: KubeClient, view: IntegrationView, logger: Logger) {
    this.#client = client;
    this.#view = view;
    this.#logger = logger;
  }

  /**
   * Makes what is added to the objects of a collection in a namespace exactly this. An object that is not there is left out.
   *
   * @param source the policy, for people.
   */
  async reconcile(
    to: AddedTo,
    namespace: string,
    additions: readonly DesiredAddition[],
    source: string,
    signal: AbortSignal,
  ): Promise<Conflict[]> {
    const path = collectionPath(this.#view, to, namespace);
    if (path === undefined) return [];
    const apiVersion = [to.group, this.#view.version(to)].filter(Boolean).join('/');
    const conflicts: Conflict[] = [];
    for (const object of this.#view.list(to, namespace) as Foreign[]) {
      const { name, annotations } = object.metadata;
      const addition = additions.find((each) => each.name === name);
      if (!addition && annotations?.[ADDED_BY] === undefined) continue;
      const target = { to, apiVersion, path: `${path}/${name}`, object, source };
      conflicts.push(...(await this.#settle(target, addition ?? {}, signal)));
    }
    return conflicts;
  }

  async #settle(target: Target, { annotations, data }: Fields, signal: AbortSignal): Promise<Conflict[]> {
    const { path, object, source } = target;
    const wanted = signed({ annotations, data }, source);
    const left = this.#left.get(path);
    if (left?.version === object.metadata.resourceVersion && isDeepStrictEqual(left.wanted, wanted))
      return left.conflicts;
    this.#left.delete(path);
    if (has(object, wanted)) return [];
    const { conflicts, after } = await this.#add(target, wanted, signal);
    // Not so where somebody else has set a field, or has copied our annotation with a manifest.
    if (!has(after, wanted)) this.#left.set(path, { version: after.metadata.resourceVersion, wanted, conflicts });
    return conflicts;
  }

  /** Adds what it may: all of it, or else what nobody else has set. */
  async #add(target: Target, wanted: Fields, signal: AbortSignal): Promise<{ conflicts: Conflict[]; after: Foreign }> {
    const { object, source } = target;
    const named = `${target.to.kind} ${object.metadata.name}`;
    try {
      return { conflicts: [], after: await this.#write(target, wanted, false, signal) };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (isRefusal(error))
        return { conflicts: [{ state: 'Incomplete', object: named, message: refusal(error) }], after: object };
      const claims = error.status === 409 ? conflictsIn(error.said) : [];
      if (claims.length === 0) throw error;
      const theirs = claims.filter(({ field }) => valueAt(wanted, field) !== undefined);
      const fields = theirs.length === 0 ? wanted : signed(without(wanted, theirs), source);
      // The map itself is somebody's who has applied it without anything in it: no value of theirs is overwritten.
      const after = await this.#write(target, fields, theirs.length < claims.length, signal);
      if (theirs.length === 0) return { conflicts: [], after };
      return { conflicts: [{ state: 'Conflict', object: named, message: describe(theirs, wanted, object) }], after };
    }
  }

  /** @param force only what nobody had set when the object was last seen: where it is another now, it is refused. */
  async #write(
    { to, apiVersion, path, object }: Target,
    fields: Fields,
    force: boolean,
    signal: AbortSignal,
  ): Promise<Foreign> {
    const { name, namespace, uid, resourceVersion } = object.metadata;
    const { annotations, data } = fields;
    // With the uid nothing is made that is gone, and nothing of the same name is taken for it.
    const metadata = { name, namespace, uid, annotations, ...(force && { resourceVersion }) };
    const applied = await this.#client.request<Foreign>('PATCH', path, {
      query: { fieldManager: FIELD_MANAGER, ...(force && { force }) },
      contentType: APPLY,
      body: { apiVersion, kind: to.kind, metadata, data },
      signal,
    });
    this.#view.note(to, applied);
    this.#logger.info({ kind: to.kind, namespace, name, ...fields }, 'added to');
    return applied;
  }
}

/** What several systems add to one collection, once for each object. */
export function mergeAdditions(additions: readonly DesiredAddition[]): DesiredAddition[] {
  const byName = new Map<string, DesiredAddition>();
  for (const addition of additions) {
    const { annotations, data } = byName.get(addition.name) ?? {};
    byName.set(addition.name, {
      ...addition,
      annotations: { ...annotations, ...addition.annotations },
      data: { ...data, ...addition.data },
    });
  }
  return [...byName.values()];
}

/** With the annotation that says whose it is; nothing where there is nothing to add. */
function signed({ annotations = {}, data = {} }: Fields, source: string): Fields {
  const { [ADDED_BY]: _, ...rest } = annotations;
  const names = [...Object.keys(rest), ...Object.keys(data)].sort();
  if (names.length === 0) return {};
  return {
    annotations: { ...annotations, [ADDED_BY]: `${source}: ${names.join(', ')}` },
    ...(Object.keys(data).length > 0 && { data }),
  };
}

function has({ metadata, data }: Foreign, wanted: Fields): boolean {
  if (!wanted.annotations) return metadata.annotations?.[ADDED_BY] === undefined;
  return includes(metadata.annotations ?? {}, wanted.annotations) && includes(data ?? {}, wanted.data ?? {});
}

interface TheirField {
  manager: string;
  /** `.metadata.annotations.konghq.com/plugins` */
  field: string;
}

/** What the API server says of conflicts, of one or of several fields. */
export function conflictsIn(said: string): TheirField[] {
  let manager = 'somebody else';
  return said.split('\n').flatMap((line) => {
    manager = /conflicts? with "([^"]*)"/.exec(line)?.[1] ?? manager;
    const field = /(?:^- |: )(\.\S+)$/.exec(line.trim())?.[1];
    return field === undefined ? [] : [{ manager, field }];
  });
}

const ANNOTATIONS = '.metadata.annotations.';
const DATA = '.data.';

/** The fields that nobody else has set. */
export function without({ annotations, data }: Fields, theirs: readonly TheirField[]): Fields {
  const ours = (all: Record<string, string> = {}, prefix: string) =>
    Object.fromEntries(Object.entries(all).filter(([name]) => !theirs.some(({ field }) => field === prefix + name)));
  return { annotations: ours(annotations, ANNOTATIONS), data: ours(data, DATA) };
}

function describe(theirs: readonly TheirField[], wanted: Fields, { metadata, data }: Foreign): string {
  const there: Fields = { annotations: metadata.annotations, data };
  return theirs
    .map(({ manager, field }) => {
      const name = field.slice((field.startsWith(DATA) ? DATA : ANNOTATIONS).length);
      return `${manager} has set ${name} to ${valueAt(there, field) ?? 'nothing'}, and the policy asks for ${valueAt(wanted, field)}`;
    })
    .join('; ');
}

function valueAt({ annotations, data }: Fields, field: string): string | undefined {
  if (field.startsWith(DATA)) return data?.[field.slice(DATA.length)];
  return field.startsWith(ANNOTATIONS) ? annotations?.[field.slice(ANNOTATIONS.length)] : undefined;
}
