import { isDeepStrictEqual } from 'node:util';
import { load } from 'js-yaml';
import type { Decision } from './decision.ts';
import { isJson } from './json.ts';
import type { Pod } from './pod.ts';

/** What a pod's sidecar is to go by, in YAML; stronger than the MeshConfig, weaker than a Telemetry. */
export const PROXY_CONFIG = 'proxy.istio.io/config';
const PROXY = 'istio-proxy';
const INJECT = 'sidecar.istio.io/inject';
/** Characters of what an owner wrote: it goes into a warning and an annotation. */
const SHOWN = 200;
/** A few lines of them, each of the one before, are a value that nobody can write or compare in a lifetime. */
const ALIAS = /(^|[\s[{,:-])[&*]\S/m;

/**
 * Tells the sidecar of a traced pod by annotation how to sample, where the mesh has no Telemetries. Either order of the webhooks
 * will do: the sidecar reads the annotation itself when it starts. What its owner says there of tracing stays.
 *
 * @param tracing undefined where the sidecar is told in another way, or not at all.
 */
export function istioAnnotations(
  pod: Pod,
  namespaceLabels: Record<string, string>,
  tracing: object | undefined,
): { annotations: Record<string, string>; decision?: Decision } {
  if (tracing === undefined || !hasSidecar(pod, namespaceLabels)) return { annotations: {} };
  const merged = withTracing(pod.metadata?.annotations?.[PROXY_CONFIG] ?? '', tracing);
  if ('text' in merged) return { annotations: { [PROXY_CONFIG]: merged.text } };
  return {
    annotations: {},
    decision: {
      reason: 'MeshSettings',
      message: `annotation ${PROXY_CONFIG} stays as it is: ${merged.kept}. The policy asks for tracing: ${JSON.stringify(tracing)}`,
      warn: true,
    },
  };
}

/** Whether a pod has a sidecar of Istio, or Istio's injector is to add one. */
function hasSidecar({ metadata = {}, spec }: Pod, namespaceLabels: Record<string, string>): boolean {
  if ([...(spec.initContainers ?? []), ...spec.containers].some(({ name }) => name === PROXY)) return true;
  const own = metadata.labels?.[INJECT] ?? metadata.annotations?.[INJECT];
  if (own !== undefined) return own === 'true';
  const injection = namespaceLabels['istio-injection'];
  if (injection !== undefined) return injection === 'enabled';
  return namespaceLabels['istio.io/rev'] !== undefined;
}

/** The owner's text with `tracing` added, letter for letter where that can be done; or why it is left. */
export function withTracing(text: string, tracing: object): { text: string } | { kept: string } {
  if (ALIAS.test(text)) return { kept: 'it has anchors or aliases, which are not looked into' };
  const own = isEmpty(text) ? {} : parsed(text);
  if (typeof own !== 'object' || own === null || Array.isArray(own))
    return { kept: 'it is not a mapping in YAML, such as "concurrency: 2"' };
  if ('tracing' in own) return { kept: `its own tracing wins: ${JSON.stringify(own.tracing).slice(0, SHOWN)}` };
  const wanted = { ...own, tracing };
  const line = `tracing: ${JSON.stringify(tracing)}\n`;
  if (text.trimStart().startsWith('{') && isJson(text)) return { text: JSON.stringify(wanted) };
  const indent = /^( *)[^\s#]/m.exec(text)?.[1] ?? '';
  const added = `${text === '' ? '' : text.replace(/\n?$/, '\n')}${indent}${line}`;
  if (isDeepStrictEqual(parsed(added), wanted)) return { text: added };
  return { kept: 'a line cannot be added to it. Write one setting a line, or add the tracing yourself' };
}

function isEmpty(text: string): boolean {
  return text.split('\n').every((line) => /^\s*(#|$)/.test(line));
}

function parsed(text: string): unknown {
  try {
    return load(text);
  } catch {
    return undefined;
  }
}
