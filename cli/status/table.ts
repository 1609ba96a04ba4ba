import type { Cell, Paint } from '../output.ts';
import { table, wrap } from '../output.ts';
import type { Trouble } from '../../operator/page/state.ts';
import type { OperatorState, Overview, WorkloadRow } from '../../operator/coverage/overview.ts';

const COLORS: Record<string, Cell['color']> = {
  NoPolicy: 'yellow',
  NoExporter: 'yellow',
  SwitchedOff: 'yellow',
  Unknown: 'yellow',
};

/** An overview for people. @param all whether it is about all namespaces. */
export function statusTable(seen: Overview, all: boolean, paint: Paint, width: number): string {
  const { operator, namespaces, workloads, policies, notReadable } = seen;
  const numbers = (...values: number[]): Cell[] => values.map((value) => ({ text: String(value) }));
  const state = (text: string, troubles: Trouble[]): Cell => ({
    text,
    color: troubles.length > 0 ? 'red' : (COLORS[text] ?? 'green'),
  });
  const sections: string[][] = [operatorLines(operator, width)];
  if (all && namespaces.length > 0)
    sections.push(
      table(
        ['NAMESPACE', 'WORKLOADS', 'PODS', 'TRACED', 'REPORTING', 'IN TROUBLE'],
        namespaces.map((row) => [
          { text: row.namespace },
          ...numbers(row.workloads, row.pods, row.traced, row.reporting),
          { text: String(row.troubled), ...(row.troubled > 0 && { color: 'red' as const }) },
        ]),
        paint,
        width,
      ),
    );
  sections.push(
    workloads.length === 0
      ? ['No workload asks for tracing, as would: kubectl annotate deployment NAME tracing.acme/inject=true']
      : table(
          [...(all ? ['NAMESPACE'] : []), 'WORKLOAD', 'PODS', 'TRACED', 'REPORTING', 'POLICY', 'STATE'],
          workloads.map((row) => [
            ...(all ? [{ text: row.namespace }] : []),
            { text: target(row) },
            ...numbers(row.pods, row.traced, row.reporting),
            { text: short(row.policy) },
            state(row.state, row.troubles),
          ]),
          paint,
          width,
        ),
  );
  if (policies.length > 0)
    sections.push(
      table(
        ['POLICY', 'PODS', 'CURRENT', 'HEALTH'],
        policies.map((row) => [
          { text: row.policy },
          ...numbers(row.matched, row.current),
          state(row.health, row.troubles),
        ]),
        paint,
        width,
      ),
    );
  const overridden = policies.flatMap(({ policy, overridden: what }) =>
    what === undefined ? [] : [`${policy}: ${paint('yellow', 'Overridden')}`, ...wrap(what, width, '  ')],
  );
  if (overridden.length > 0) sections.push([paint('bold', 'FOR A WHILE'), ...overridden]);
  const troubles = [
    ...operator.troubles.map((each) => troubleLines('operator', each, undefined)),
    ...workloads.flatMap((row) =>
      row.troubles.map((each) =>
        troubleLines(
          `${row.namespace} ${target(row)}`,
          each,
          `kubectl tracing explain ${target(row)} -n ${row.namespace}`,
        ),
      ),
    ),
    // What pods suffer from has been said above, by workload.
    ...policies.flatMap(({ policy, troubles }) =>
      troubles
        .filter(({ reason }) => !workloads.some((row) => row.troubles.some((each) => each.reason === reason)))
        .map((each) => troubleLines(policy, each, undefined)),
    ),
  ];
  if (troubles.length > 0) sections.push([paint('bold', 'IN TROUBLE'), ...troubles.flat()]);
  if (notReadable.length > 0)
    sections.push(['You may not read', ...notReadable.flatMap((text) => wrap(text, width, '  '))]);
  return `${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`;

  function troubleLines(whose: string, { reason, message }: Trouble, next: string | undefined): string[] {
    const title = `${whose}: ${paint('red', reason)}`;
    return [title, ...wrap(message, width, '  '), ...(next === undefined ? [] : [`  → ${next}`])];
  }
}

/** As kubectl and our other verbs take it. */
function target({ kind, name }: WorkloadRow): string {
  return `${kind.toLowerCase()}/${name}`;
}

/** The kind and the namespace of a policy are plain from the rest of its line, but for those of the cluster. */
function short(policy: string): string {
  return policy.replace(/TracingPolicy [^/ ,]+\//g, '').replace(/ClusterTracingPolicy /g, 'cluster/');
}

function operatorLines(operator: OperatorState, width: number): string[] {
  const { namespace, name, version, readyReplicas, replicas, leader, authorityUntil } = operator;
  if (namespace === undefined)
    return [operator.troubles.length > 0 ? 'Operator: not installed' : 'Operator: you may not see its installation'];
  const parts = [
    `${namespace}/${name}${version === undefined ? '' : ` ${version}`}`,
    ...(readyReplicas === undefined ? [] : [`${readyReplicas} of ${replicas} replicas ready`]),
    ...(leader === undefined ? [] : [`led by ${leader}`]),
    ...(authorityUntil === undefined ? [] : [`the API server knows its webhook until ${authorityUntil.slice(0, 10)}`]),
  ];
  const [first, ...rest] = wrap(`Operator: ${parts.join(', ')}`, width - 2, '');
  return [first!, ...rest.map((line) => `  ${line}`)];
}
