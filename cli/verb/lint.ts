import { given, read, shown } from '../file.ts';
import type { Linted } from '../lint/lint.ts';
import { lint } from '../lint/lint.ts';
import type { Format, Paint } from '../output.ts';
import { outputOption, render, wrap } from '../output.ts';
import type { End, ExitCode } from './verb.ts';
import { once, verb } from './verb.ts';

interface LintFlags {
  filename?: string;
  output: Format;
}

export const lintVerb = (end: End) =>
  verb({
    usage: 'lint',
    summary: 'what is wrong, or hardly meant, in a file of policies, without a cluster',
    description: `Says of the TracingPolicies and ClusterTracingPolicies in a file what the API server would refuse, and what it takes though it is hardly meant: the wrong port for a protocol, a secret in plain text, a rule that never matches. Other objects in the file are passed over.

Fields that a policy leaves out come from the chart's defaultPolicy in the cluster: of those nothing is known here.`,
    examples: [
      'kubectl tracing lint -f policy.yaml',
      'helm template shop ./shop | kubectl tracing lint -f -',
      'kubectl get tracingpolicies -A -o yaml | kubectl tracing lint -f - -o json',
    ],
    codes: ['nothing would be refused; there may be advice', 'the API server would refuse something'],
  })
    .addOption(once('-f, --filename <file>', 'YAML or JSON of one or many documents; - for standard input'))
    .addOption(outputOption())
    .action((flags: LintFlags) => end(lintFile(flags)));

function lintFile({ filename, output }: LintFlags): ExitCode {
  const file = given(filename, '-f', '-f policy.yaml');
  const linted = lint(read(file), shown(file));
  process.stdout.write(render(output, linted, (paint, width) => text(linted, paint, width)));
  return linted.findings.some(({ level }) => level === 'Refused') ? 1 : 0;
}

/** Of so many policies without exporters each is named. */
const NAMED = 3;

function text({ policies, findings, withoutExporters }: Linted, paint: Paint, width: number): string {
  const refused = findings.filter(({ level }) => level === 'Refused').length;
  const advised = findings.length - refused;
  const lines = findings.flatMap(({ level, position, policy, field, rule, what, why, example }) => [
    `${position}: ${policy}`,
    `  ${field}: ${level === 'Refused' ? paint('red', 'refused') : paint('yellow', rule)}`,
    // What was meant stands on a line of its own.
    ...what.split(/ (?=Did you mean )|(?<=\?) /).flatMap((part) => wrap(part, width, '    ')),
    ...(why === undefined ? [] : wrap(`why: ${why}`, width, '    ')),
    ...(example === undefined ? [] : [`    e.g. ${example}`]),
    '',
  ]);
  const sum = `${policies} ${policies === 1 ? 'policy' : 'policies'}: ${refused} refused, ${advised} advised`;
  const silent = withoutExporters.length;
  const who = silent <= NAMED ? withoutExporters.join(', ') : `${silent} policies`;
  const note = `${who} ${silent === 1 ? 'leaves' : 'leave'} exporters out: what is recorded goes where the chart's defaultPolicy.exporters says, and nowhere where that says nothing.`;
  return `${[...lines, sum, ...(silent > 0 ? wrap(note, width, '') : [])].join('\n')}\n`;
}
