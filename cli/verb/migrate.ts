import { given, read, shown } from '../file.ts';
import { migrateManifest } from '../migrate/migrate.ts';
import type { End, ExitCode } from './verb.ts';
import { once, verb } from './verb.ts';

export const migrateVerb = (end: End) =>
  verb({
    usage: 'migrate',
    summary: "opentelemetry-operator's Instrumentation and annotations become ours",
    description: `Turns a file for opentelemetry-operator into one for this operator: Instrumentations become TracingPolicies, and annotations for Node.js become ours. Everything else in the file keeps every byte.

The result is written to standard output; standard error has a line for each field: what it has become, or why it has not and what to do instead. Pods with both annotations are left alone by us: apply the result only where you want to take over.`,
    examples: [
      'kubectl tracing migrate -f instrumentation.yaml | kubectl apply -f -',
      'kubectl -n shop get instrumentation,deployment -o yaml |\n    kubectl tracing migrate -f - > migrated.yaml',
    ],
    codes: [
      'all is well',
      'a field is not converted, and somebody has to see to it;\n      what has been is written all the same',
    ],
  })
    .addOption(once('-f, --filename <file>', 'YAML or JSON; - for standard input'))
    .action((flags: { filename?: string }) => end(migrateFile(flags)));

function migrateFile({ filename }: { filename?: string }): ExitCode {
  const file = given(filename, '-f', '-f instrumentation.yaml');
  const { text, lines, left } = migrateManifest(read(file), shown(file));
  for (const line of lines) process.stderr.write(`${line}\n`);
  if (left > 0)
    process.stderr.write(`${left} ${left === 1 ? 'field is' : 'fields are'} not converted: see to them by hand\n`);
  process.stdout.write(text);
  return left > 0 ? 1 : 0;
}
