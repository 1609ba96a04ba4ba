import { INJECT } from '../../injector/names.ts';

/** Asks for tracing on the object itself. @param target as kubectl names it: `deployment/web`. */
export function annotate(kubectl: string, target: string): string {
  return `${kubectl} annotate --overwrite ${target} ${INJECT}=true`;
}

/** Puts annotations on a workload's pod template. */
export function patchTemplate(
  kubectl: string,
  target: string,
  kind: string,
  annotations: Record<string, string> = { [INJECT]: 'true' },
): string {
  return `${kubectl} patch ${target} --type merge -p ${quoted(JSON.stringify(templatePatch(kind, annotations)))}`;
}

/** One word of a shell, whatever somebody has written into it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** A merge patch of a pod template's annotations; null takes one away. */
export function templatePatch(kind: string, annotations: Record<string, string | null>): object {
  const template = { template: { metadata: { annotations } } };
  return { spec: kind === 'CronJob' ? { jobTemplate: { spec: template } } : template };
}
