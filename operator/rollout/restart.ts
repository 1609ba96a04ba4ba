import { createHash } from 'node:crypto';
import * as z from 'zod';
import { RESTARTED_AT } from '../../injector/names.ts';
import type { ObjectMeta } from '../../injector/pod.ts';
import type { Policy } from '../../injector/resolve.ts';
import { describePolicy } from '../../injector/resolve.ts';

/** Kinds that replace their pods by themselves when the pod template changes. */
export const RESTARTED_KINDS = ['Deployment', 'StatefulSet', 'DaemonSet'] as const;
export type RestartedKind = (typeof RESTARTED_KINDS)[number];

const PHASES = [
  /** Its pods are being replaced, or have been a moment ago. */
  'Restarting',
  /** As before, and its new pods crash: they are left as they are, and no other workload is restarted. */
  'CrashLooping',
  /** Its new pods crashed: webhooks leave out the agent, and the template is as it was. */
  'RolledBack',
  /** Somebody put the template back before all pods were replaced. */
  'Undone',
  /** All pods were replaced, and are no better for it. */
  'NoHelp',
] as const;
export type Phase = (typeof PHASES)[number];

const time = z.iso.datetime();
const restart = z.object({
  kind: z.enum(RESTARTED_KINDS),
  name: z.string(),
  /** As describePolicy() says it. */
  policy: z.string(),
  /** What its pods are to be given: restartMark(). */
  mark: z.string(),
  /** templateHash() of its pod template. */
  template: z.string(),
  phase: z.enum(PHASES),
  /** Since when it is in that phase. */
  at: time,
  /** Of `tracing.acme/restarted-at` on its template. */
  value: time,
  /** What that was before; left out: it was not there. */
  previous: z.string().optional(),
  /** Its `metadata.generation` before. While it is still this one, the template was not changed. */
  generation: z.int(),
  /** A new pod that was restarted so often crash-loops: oftener than any pod before it. */
  threshold: z.int(),
  /** How often somebody put the template back. */
  undone: z.int().optional(),
  /** Not tried again before. */
  until: time.optional(),
  /** For people. */
  message: z.string(),
});

/**
 * A workload that the operator restarts or has restarted, until it is as it should be. It is kept in an annotation of the
 * namespace's ConfigMap, which nobody else writes, and not on the workload: whoever applies that again would take it away.
 */
export type Restart = z.infer<typeof restart>;

const written = z.array(restart);

/** Reads the annotation `tracing.acme/restarts`. What cannot be read counts as none. */
export function readRestarts(text: string | undefined): Restart[] {
  if (text === undefined) return [];
  try {
    return written.parse(JSON.parse(text));
  } catch {
    return [];
  }
}

/** What pods of a policy get: another policy, a changed one or another agent is another mark. */
export function restartMark(policy: Policy, agent: string): string {
  return `${describePolicy(policy)} ${policy.metadata.generation ?? 0} ${agent}`;
}

/** Why a workload's pods are to go without an agent; undefined where they may have it. */
export function whyRolledBack(
  restarts: readonly Restart[],
  workload: { kind: string; name: string } | undefined,
  policy: Policy | undefined,
  agent: string,
): string | undefined {
  if (!workload || !policy || restarts.length === 0) return undefined;
  const found = restarts.find(
    ({ phase, kind, name }) => phase === 'RolledBack' && kind === workload.kind && name === workload.name,
  );
  if (!found) return undefined;
  return found.mark === restartMark(policy, agent) || !takesBack(policy) ? found.message : undefined;
}

/** Whether a policy has workloads restarted, and so would take the agent from one that crashes with it. */
export function takesBack({ spec }: Policy): boolean {
  return spec.enabled !== false && spec.rollout?.strategy === 'Restart';
}

export interface Template {
  metadata?: ObjectMeta;
  [key: string]: unknown;
}

/** A pod template but for what is ours on it: what its owner changes is another hash. */
export function templateHash(template: Template): string {
  const { annotations, labels, ...metadata } = template.metadata ?? {};
  const others = (map: Record<string, string> | undefined) =>
    Object.entries(map ?? {}).filter(([key]) => !key.startsWith('tracing.acme/'));
  const content = JSON.stringify([{ ...template, metadata }, others(annotations), others(labels)]);
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}

/** A template's `tracing.acme/restarted-at`. */
export function restartedAt({ metadata }: Template): string | undefined {
  return metadata?.annotations?.[RESTARTED_AT];
}
