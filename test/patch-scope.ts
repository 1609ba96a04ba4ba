import { applyPatch } from 'rfc6902';
import type { Pod } from '../injector/pod.ts';
import type { PatchOperation } from '../webhook/json-patch.ts';

/** What injection may add, whole or as one more item. */
const ADDED = [
  /^\/metadata\/(labels|annotations)(\/tracing\.acme~1[a-z-]+)?$/,
  /^\/spec\/(volumes(\/\d+)?|initContainers(\/0)?)$/,
  /^\/spec\/(initContainers|containers)\/\d+\/(env|volumeMounts)(\/\d+)?$/,
  // The annotation of a workload, copied to its template.
  /^\/spec\/(jobTemplate\/spec\/)?template\/metadata(\/annotations(\/tracing\.acme~1inject(-from-workload)?)?)?$/,
];
const ENTRY = /^(\/spec\/(initContainers|containers)\/(\d+)\/env\/(\d+))\/(value|valueFrom)$/;
const OWN_ANNOTATION = /\/metadata\/annotations(\/tracing\.acme~1[a-z-]+)?$/;

/**
 * The operations of a patch that touch what injection has no business with: all but additions, the annotations that are
 * ours, and the entry of NODE_OPTIONS.
 */
export function strangePaths(before: unknown, patch: readonly PatchOperation[]): PatchOperation[] {
  const object = structuredClone(before) as Pod;
  return patch.filter((operation) => {
    const { op, path } = operation;
    const [, , list, container, entry] = ENTRY.exec(path) ?? [];
    // Indices are those of the object as the operations before this one have made it.
    const env = (object.spec[list as 'containers'] ?? [])[Number(container)]?.env;
    const isNodeOptions = env?.[Number(entry)]?.name === 'NODE_OPTIONS';
    applyPatch(object, [structuredClone(operation)]);
    if (op === 'add' && ADDED.some((pattern) => pattern.test(path))) return false;
    return !isNodeOptions && !OWN_ANNOTATION.test(path);
  });
}
