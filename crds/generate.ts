import { readFileSync, writeFileSync } from 'node:fs';
import { dump } from 'js-yaml';
import * as z from 'zod';
import { customResourceDefinitions } from './crd.ts';
import { reference } from './reference.ts';
import type { CelRule } from './rules.ts';
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
  const { $schema: _schema, ...defaultPolicy } = z.toJSONSchema(defaultPolicySpec, {
    target: 'draft-7',
    io: 'output',
    override: ({ zodSchema, jsonSchema }) => {
      const message = patternMessage(zodSchema);
      if (message !== undefined) jsonSchema[MESSAGE] = message;
    },
  });
  schema.properties.defaultPolicy = forHelm(defaultPolicy);
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** Where the words for a refused pattern are on their way from zod. */
const MESSAGE = 'x-message';
const RULES = 'x-kubernetes-validations';

/** What zod says to a string that its pattern refuses. */
function patternMessage({ _zod }: z.core.$ZodType): string | undefined {
  for (const { _zod: check } of _zod.def.checks ?? []) {
    const { format, error } = check.def as z.core.$ZodCheckStringFormatDef;
    if (format !== 'regex' || !error) continue;
    const message = (error as z.core.$ZodErrorMap)({ code: 'invalid_format', format, input: '', path: [] });
    return typeof message === 'string' ? message : message?.message;
  }
  return undefined;
}

/**
 * Without what only the API server knows. Where a pattern or `oneOf` refuses a value, Helm shows the regular expression, or
 * that none matched, and has no place for other words. So they become a condition, and the words are what the value would
 * have to be otherwise: Helm then says "value must be" and these.
 */
function forHelm(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(forHelm);
  if (typeof node !== 'object' || node === null) return node;
  const { [MESSAGE]: message, [RULES]: rules, ...known } = node as Record<string, unknown>;
  const entries = Object.entries(known).filter(([key]) => !key.startsWith('x-kubernetes-') && key !== 'live');
  const { pattern, oneOf, ...rest } = Object.fromEntries(entries.map(([key, value]) => [key, forHelm(value)]));
  if (typeof pattern === 'string' && message !== undefined)
    return { ...rest, if: { pattern }, else: { const: message } };
  if (Array.isArray(oneOf)) {
    const [{ message: why }] = rules as [CelRule];
    return { ...rest, if: { oneOf }, else: { const: why } };
  }
  return { ...rest, ...(pattern !== undefined && { pattern }) };
}

if (import.meta.main) {
  writeFileSync(VALUES_SCHEMA, valuesSchema());
  for (const [path, text] of [...crdFiles(), referenceFile()])
    writeFileSync(new URL(`../${path}`, import.meta.url), text);
}
