import { readFileSync, writeFileSync } from 'node:fs';
import { dump } from 'js-yaml';
import * as z from 'zod';
import { customResourceDefinitions } from './crd.ts';
import { reference } from './reference.ts';
import { defaultPolicySpec } from './tracing-policy.ts';

/**
 * The committed YAML, by path: beside its source, for `kubectl apply -f crds/`, and in the chart, as templates and not in
 * the chart's `crds/` folder, which Helm never upgrades.
 */
export function crdFiles(): Map<string, string> {
  return new Map(
    [...customResourceDefinitions()].flatMap(([plural, definition]) => {
      const text = `# Generated from crds/tracing-policy.ts by "make generate". Do not edit.\n${dump(definition, { lineWidth: 120, noRefs: true })}`;
      return [
        [`crds/tracing.acme_${plural}.yaml`, text] as const,
        [`charts/tracing-operator/templates/crd-${plural}.yaml`, text] as const,
      ];
    }),
  );
}

const VALUES_SCHEMA = new URL('../charts/tracing-operator/values.schema.json', import.meta.url);

/** docs/reference/tracingpolicy.md, by its path. */
export function referenceFile(): [string, string] {
  return ['docs/reference/tracingpolicy.md', reference()];
}

/** The chart's values.schema.json, written by hand but for `defaultPolicy`, which is what a TracingPolicy's spec says. */
export function valuesSchema(): string {
  const schema = JSON.parse(readFileSync(VALUES_SCHEMA, 'utf8')) as { properties: Record<string, unknown> };
  // As output: an unknown field is refused, which for values is right at every level.
  const { $schema: _schema, ...defaultPolicy } = z.toJSONSchema(defaultPolicySpec, { target: 'draft-7', io: 'output' });
  schema.properties.defaultPolicy = withoutCel(defaultPolicy);
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** Drops what only the API server knows. */
function withoutCel(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutCel);
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node).filter(([key]) => !key.startsWith('x-kubernetes-') && key !== 'live');
  return Object.fromEntries(entries.map(([key, value]) => [key, withoutCel(value)]));
}

if (import.meta.main) {
  writeFileSync(VALUES_SCHEMA, valuesSchema());
  for (const [path, text] of [...crdFiles(), referenceFile()])
    writeFileSync(new URL(`../${path}`, import.meta.url), text);
}
