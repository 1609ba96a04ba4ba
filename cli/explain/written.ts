import { POLICY_FIELD_MANAGER } from '../../injector/names.ts';
import type { Policy } from '../../injector/resolve.ts';
import type { Facts } from './facts.ts';

interface ManagedField {
  manager?: string;
  subresource?: string;
  time?: string;
}

/**
 * When an object was last written, other than its status, or by one manager alone, milliseconds since 1970; undefined where that
 * cannot be seen. Who only takes fields away leaves no time, unless by server-side apply.
 */
export function writtenAt(metadata: object, manager?: string): number | undefined {
  const { managedFields = [] } = metadata as { managedFields?: ManagedField[] };
  const times = managedFields
    .filter((field) => (manager === undefined ? field.subresource !== 'status' : field.manager === manager))
    .map(({ time }) => Date.parse(time ?? ''))
    .filter(Number.isFinite);
  return newest(times);
}

/**
 * When what the pods of a workload are to follow was changed last, milliseconds since 1970; undefined where that cannot be seen.
 * What was taken from a policy, or a policy that is gone, shows by what the operator has made of it since: what it delivered to
 * the namespace, and the pods that it has told already.
 */
export function changedAt({ deliveredAt, pods }: Pick<Facts, 'deliveredAt' | 'pods'>, policy: Policy | undefined) {
  const told = pods.map(({ metadata }) => writtenAt(metadata, POLICY_FIELD_MANAGER));
  return newest([policy && writtenAt(policy.metadata), deliveredAt, ...told].filter((each) => each !== undefined));
}

function newest(times: readonly number[]): number | undefined {
  return times.length > 0 ? Math.max(...times) : undefined;
}
