import { writeFileSync } from 'node:fs';
import { dump } from 'js-yaml';
import { customResourceDefinitions } from './crd.ts';

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

if (import.meta.main) {
  for (const [path, text] of crdFiles()) writeFileSync(new URL(`../${path}`, import.meta.url), text);
}
