import * as names from './names.ts';
import { asksOtelOperator, OTEL_OPERATOR } from './other-tracers.ts';
import type { Pod } from './pod.ts';

/** In which containers opentelemetry-operator is to trace: for Node.js alone, or for whatever it is asked for. */
const CONTAINER_NAMES = [
  'instrumentation.opentelemetry.io/nodejs-container-names',
  'instrumentation.opentelemetry.io/container-names',
];

/**
 * A pod that asks opentelemetry-operator for Node.js as if it asked us: with our annotations, and with a `"false"` in its
 * own, by which opentelemetry-operator leaves it alone. Like there, the pod's annotation counts before its namespace's, and
 * an empty one counts for nothing. A pod that has a word of its own for us is taken over only by `"true"`.
 *
 * @param byNamespace what the pod's namespace says in that annotation.
 * @returns undefined where there is nothing to take over.
 */
export function takeOver(pod: Pod, byNamespace: string | undefined): Pod | undefined {
  const { annotations = {} } = pod.metadata ?? {};
  const value = annotations[OTEL_OPERATOR] || byNamespace;
  if (value === undefined || !asksOtelOperator(value)) return undefined;
  if (annotations[names.INJECT] !== undefined && annotations[names.INJECT] !== 'true') return undefined;
  const listed = CONTAINER_NAMES.map((name) => annotations[name]).find(Boolean);
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      annotations: {
        ...(listed !== undefined && { [names.CONTAINERS]: listed }),
        ...annotations,
        [names.INJECT]: 'true',
        [OTEL_OPERATOR]: 'false',
      },
    },
  };
}
