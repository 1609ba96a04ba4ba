import type { Container, EnvVar } from './pod.ts';

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
 * https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
 *
 * @param stated NODE_OPTIONS that the image sets, if its owner stated it: used only where the container sets none.
 */
export function withFlag(container: Container, flag: string, stated = ''): EnvVar[] {
  const env = container.env ?? [];
  const last = env.findLastIndex((entry) => entry.name === 'NODE_OPTIONS');
  const existing = env[last];

  if (existing && !existing.valueFrom) {
    if ((existing.value ?? '').includes(flag)) return env;
    return replaceAt(env, last, [{ name: 'NODE_OPTIONS', value: join(existing.value ?? '', flag) }]);
  }
  if (existing?.valueFrom) {
    const optional = existing.valueFrom.configMapKeyRef?.optional ?? existing.valueFrom.secretKeyRef?.optional;
    return replaceAt(env, last, [
      ...(optional ? fromSources(container, stated) : []),
      { name: ORIGINAL, valueFrom: existing.valueFrom },
      { name: 'NODE_OPTIONS', value: join(`$(${ORIGINAL})`, flag) },
    ]);
  }
  const sources = fromSources(container, stated);
  if (sources.length === 1) return [...env, { name: 'NODE_OPTIONS', value: join(stated, flag) }];
  return [...env, ...sources, { name: 'NODE_OPTIONS', value: join(`$(${ORIGINAL})`, flag) }];
}

/** What NODE_OPTIONS is without an `env` entry: what the image states, then each `envFrom` source that could set it. */
function fromSources(container: Container, stated: string): EnvVar[] {
  const entries: EnvVar[] = [{ name: ORIGINAL, value: stated }];
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    if (!'NODE_OPTIONS'.startsWith(prefix) || prefix === 'NODE_OPTIONS') continue;
    const key = 'NODE_OPTIONS'.slice(prefix.length);
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

function replaceAt(env: EnvVar[], index: number, entries: EnvVar[]): EnvVar[] {
  return [...env.slice(0, index), ...entries, ...env.slice(index + 1)];
}

function join(before: string, flag: string): string {
  return before === '' ? flag : `${before} ${flag}`;
}
