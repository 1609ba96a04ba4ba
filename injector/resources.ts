import type { Container, PodSpec, ResourceRequirements } from './pod.ts';
import { quantity } from './quantity.ts';

/**
 * Resources of the init container: those of the most modest of the containers that get the agent, and none that none of
 * them has. So a LimitRange that takes those takes it too, a Guaranteed pod stays one (where every container's requests
 * equal its limits, so do the least of them), and a BestEffort pod too. It never raises what the pod asks for as a whole:
 * that is at least what each of its containers asks for. Other containers do not count: a sidecar of a few megabytes must
 * not make the copying run out of memory.
 * https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
 */
export function initResources(traced: readonly Container[]): ResourceRequirements | undefined {
  const least = (kind: 'requests' | 'limits') => {
    const chosen: Record<string, string | number> = {};
    for (const name of ['cpu', 'memory']) {
      // A request that is left out is the limit, once the API server has filled it in.
      const values = traced.flatMap(
        ({ resources }) =>
          (kind === 'requests' ? resources?.requests?.[name] : undefined) ?? resources?.limits?.[name] ?? [],
      );
      if (kind === 'requests' && !traced.some(({ resources }) => resources?.requests?.[name] !== undefined)) continue;
      const lowest = values.sort((a, b) => quantity(a) - quantity(b))[0];
      if (lowest !== undefined) chosen[name] = lowest;
    }
    return Object.keys(chosen).length > 0 ? { [kind]: chosen } : {};
  };
  const resources = { ...least('limits'), ...least('requests') };
  return Object.keys(resources).length > 0 ? resources : undefined;
}

/**
 * The least of what the kubelet evicts a pod for, in bytes: the sum of its containers' ephemeral-storage limits, or that
 * of an init container where it is higher. Undefined where no container has one. Empty dirs count as well.
 * https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#resource-emphemeralstorage-consumption
 */
export function ephemeralStorageLimit({ containers, initContainers = [] }: PodSpec): number | undefined {
  const limit = ({ resources }: Container) => {
    const value = resources?.limits?.['ephemeral-storage'];
    return value === undefined ? [] : [quantity(value)];
  };
  const sidecars = initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always');
  const running = [...containers, ...sidecars].flatMap(limit);
  const initial = initContainers.flatMap(limit);
  if (running.length + initial.length === 0) return undefined;
  return Math.max(
    running.reduce((sum, value) => sum + value, 0),
    ...initial,
  );
}
