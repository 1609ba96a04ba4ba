import { AGENT_ENTRY } from './names.ts';
import type { Container, EnvVar } from './pod.ts';

const NAME = 'NODE_OPTIONS';
const FLAG = `--require ${AGENT_ENTRY}`;
/** Holds what NODE_OPTIONS was, where that is only known to the kubelet. */
const ORIGINAL = 'TRACING_ACME_NODE_OPTIONS';

/**
 * Returns the container's `env` with our flag added to NODE_OPTIONS, wherever the rest of it comes from. Nothing is
 * read from the cluster: two rules of the kubelet do the work.
 * - A reference `$(NAME)` is replaced by a variable defined earlier in the list.
 * - An entry whose *optional* reference is missing is skipped, and leaves an earlier entry of the same name standing.
 *
 * So the value from a ConfigMap or Secret goes, under another name, behind an empty default, and NODE_OPTIONS refers to
 * it. `envFrom` sources become optional references to the one key that matters: later sources override earlier ones, as
 * they do in the kubelet.
 *
 * The one entry that most containers have is changed in its place. Where there are several, or others refer to it, all
 * of them stay as they are and one more follows, so that nobody but Node sees our flag.
 * https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
 *
 * @param stated NODE_OPTIONS that the image sets, if its owner stated it: used only where the container sets none.
 */
export function withFlag(container: Container, stated = ''): EnvVar[] {
  const env = container.env ?? [];
  const entries = env.filter(({ name }) => name === NAME);
  const last = entries.at(-1);
  if (!last) return [...env, ...behind(sources(container, stated))];
  if (!last.valueFrom && last.value?.includes(AGENT_ENTRY)) return env;

  const kept = isDefinite(last) ? [] : sources(container, stated);
  if (entries.length === 1 && !isReferredTo(env)) {
    const index = env.indexOf(last);
    const changed = last.valueFrom
      ? behind([...kept, { name: ORIGINAL, valueFrom: last.valueFrom }])
      : [{ ...last, value: join(last.value ?? '') }];
    return [...env.slice(0, index), ...changed, ...env.slice(index + 1)];
  }
  // Once one of them is sure to be there, a reference to the variable itself is sure to have a value.
  if (entries.some(isDefinite)) return [...env, { name: NAME, value: join(`$(${NAME})`) }];
  return [...env, ...behind([...kept, ...entries.map(({ valueFrom }) => ({ name: ORIGINAL, valueFrom: valueFrom! }))])];
}

/** Entries that define ORIGINAL, and NODE_OPTIONS behind them; a single value needs no other name. */
function behind(originals: EnvVar[]): EnvVar[] {
  const [only, ...more] = originals;
  if (more.length === 0 && only?.value !== undefined) return [{ name: NAME, value: join(only.value) }];
  return [...originals, { name: NAME, value: join(`$(${ORIGINAL})`) }];
}

/** What NODE_OPTIONS is without an `env` entry: what the image states, then each `envFrom` source that could set it. */
function sources(container: Container, stated: string): EnvVar[] {
  // The kubelet would read `$(NAME)` as a reference; in an image it is plain text.
  const entries: EnvVar[] = [{ name: ORIGINAL, value: stated.replaceAll('$', () => '$$') }];
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    if (!NAME.startsWith(prefix) || prefix === NAME) continue;
    const key = NAME.slice(prefix.length);
    if (configMapRef?.name)
      entries.push({
        name: ORIGINAL,
        valueFrom: { configMapKeyRef: { name: configMapRef.name, key, optional: true } },
      });
    if (secretRef?.name)
      entries.push({ name: ORIGINAL, valueFrom: { secretKeyRef: { name: secretRef.name, key, optional: true } } });
  }
  return entries;
}

/** Whether an entry is there in any case: a value, or a reference without which the container does not start. */
function isDefinite({ valueFrom }: EnvVar): boolean {
  return !Object.values(valueFrom ?? {}).some(
    (reference) => (reference as { optional?: boolean } | undefined)?.optional === true,
  );
}

function isReferredTo(env: EnvVar[]): boolean {
  return env.some(({ name, value }) => name !== NAME && value?.includes(`$(${NAME})`));
}

function join(before: string): string {
  return before === '' ? FLAG : `${before} ${FLAG}`;
}
