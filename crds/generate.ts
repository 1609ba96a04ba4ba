import { writeFileSync } from 'node:fs';
import { dump } from 'js-yaml';
import { tracingPolicyCrd } from './crd.ts';

/**
 * Where the CRD's YAML is committed: beside its source, for `kubectl apply -f crds/`, and in the chart, as a template
 * and not in the chart's `crds/` folder, which Helm never upgrades.
 */
export const CRD_FILES = [
  'crds/tracing.acme_tracingpolicies.yaml',
  'charts/tracing-operator/templates/crd-tracingpolicies.yaml',
];

/** The committed text of the CRD. */
export function crdYaml(): string {
  return `# Generated from crds/tracing-policy.ts by "make generate". Do not edit.\n${dump(tracingPolicyCrd(), { lineWidth: 120, noRefs: true })}`;
}

if (import.meta.main) {
  for (const file of CRD_FILES) writeFileSync(new URL(`../${file}`, import.meta.url), crdYaml());
}
