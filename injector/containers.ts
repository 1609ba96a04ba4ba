import { isDeepStrictEqual } from 'node:util';
import type { Decision } from './decision.ts';
import * as names from './names.ts';
import { preloadedTracer } from './other-tracers.ts';
import { GRANTS, isAgentUnreadable } from './permissions.ts';
import type { Container, Pod } from './pod.ts';

const MESH_SIDECARS = new Set(['istio-proxy', 'istio-init', 'istio-validation', 'linkerd-proxy', 'linkerd-init']);
/** Variables that win over the policy in the agent (injector/agent/settings.ts and resource.ts). */
const OWN_SETTINGS =
  /^OTEL_(TRACES_SAMPLER|TRACES_EXPORTER|EXPORTER_OTLP_(TRACES_)?ENDPOINT|PROPAGATORS|SERVICE_NAME|RESOURCE_ATTRIBUTES)$/;
/** All of our directories are in this one. */
const BASE = '/var/run/tracing.acme';

/**
 * The containers to trace, with a decision on each that is not: those the pod names, else those its policy names, else
 * all; but none that is a mesh's, and none whose start the agent could spoil.
 */
export function chooseContainers(pod: Pod, byPolicy: string[] | undefined, decisions: Decision[]): Container[] {
  const byPod = pod.metadata?.annotations?.[names.CONTAINERS]
    ?.split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  const listed = byPod ?? byPolicy;
  const candidates = listed ? [...(pod.spec.initContainers ?? []), ...pod.spec.containers] : pod.spec.containers;
  // A policy is for many pods: only what the pod itself names must be there.
  for (const name of byPod ?? [])
    if (!candidates.some((container) => container.name === name))
      decisions.push({
        container: name,
        reason: 'NoContainer',
        message: `${names.CONTAINERS} names ${name}, but the pod has only ${candidates.map((c) => c.name).join(', ')}`,
        warn: true,
      });
  const chosen: Container[] = [];
  for (const container of candidates) {
    const { name } = container;
    const whose = byPod ? names.CONTAINERS : "the policy's containers";
    const refusal: Omit<Decision, 'container'> | undefined = MESH_SIDECARS.has(name)
      ? { reason: 'MeshSidecar', message: 'belongs to the service mesh' }
      : listed && !listed.includes(name)
        ? { reason: 'NotSelected', message: `not in ${whose}` }
        : refuse(container, pod, chosen[0]);
    if (refusal) decisions.push({ container: name, ...refusal });
    else chosen.push(container);
  }
  return chosen;
}

/** What a container sets itself and the policy does not change; undefined where there is nothing of the kind. */
export function ownSettings({ name, env = [] }: Container): Decision | undefined {
  const variables = [...new Set(env.map((entry) => entry.name).filter((variable) => OWN_SETTINGS.test(variable)))];
  if (variables.length === 0) return undefined;
  return {
    container: name,
    reason: 'OwnerSettings',
    message: `sets ${variables.join(', ')} itself: that wins over the policy`,
    variables,
  };
}

/** The SELinux options a container runs with: its own, else the pod's. */
export function seLinuxOptions(container: Container, { spec }: Pod): unknown {
  return container.securityContext?.['seLinuxOptions'] ?? spec.securityContext?.['seLinuxOptions'];
}

function refuse(container: Container, pod: Pod, first = container): Omit<Decision, 'container'> | undefined {
  const { name, env = [] } = container;
  const value = (variable: string) =>
    env
      .findLast((entry) => entry.name === variable)
      ?.value?.trim()
      .toLowerCase();
  for (const [variable, off] of [
    ['TRACING_ACME_AGENT', 'off'],
    ['OTEL_SDK_DISABLED', 'true'],
  ] as const)
    if (value(variable) === off) return { reason: 'SwitchedOff', message: `sets ${variable}=${off}` };
  const tracer = preloadedTracer(container);
  if (tracer)
    return {
      reason: 'OtherTracer',
      message: `container ${name} is left alone: it loads ${tracer}, and two tracers in one process break each other`,
      warn: true,
    };
  if (isAgentUnreadable(container, pod))
    return {
      reason: 'NodePermissions',
      message: `container ${name} is left alone: under --permission Node may not read the agent. To trace it, add ${GRANTS} beside --permission`,
      warn: true,
    };
  const mount = conflictingMount(container, pod);
  if (mount)
    return {
      reason: 'MountConflict',
      message: `container ${name} is left alone: it mounts ${mount}, where the agent's directories (${BASE}) cannot be made`,
      warn: true,
    };
  // The kubelet labels the agent's volume once, as the first container that uses it wants it.
  if (!isDeepStrictEqual(seLinuxOptions(container, pod), seLinuxOptions(first, pod)))
    return {
      reason: 'SELinuxMismatch',
      message: `container ${name} is left alone: its seLinuxOptions differ from those of ${first.name}, so it could not read the agent`,
      warn: true,
    };
  return undefined;
}

/**
 * A mount of the container's that is in our place, or above it where no directory can be made: container runtimes make
 * mount points inside what is mounted above, and a container does not start where that is read-only.
 */
function conflictingMount({ volumeMounts = [] }: Container, { spec }: Pod): string | undefined {
  for (const { name, mountPath, readOnly } of volumeMounts) {
    // In most images one is a link to the other.
    const path = mountPath.replace(/^\/run(?=\/|$)/, '/var/run').replace(/\/+$/, '');
    if (path === BASE || path.startsWith(`${BASE}/`)) return mountPath;
    if (!BASE.startsWith(`${path}/`)) continue;
    const volume = spec.volumes?.find((candidate) => candidate.name === name);
    if (readOnly || volume?.['emptyDir'] === undefined) return mountPath;
  }
  return undefined;
}
