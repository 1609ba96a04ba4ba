import { POLICY } from '../../injector/names.ts';
import type { DocumentExporter, PolicyDocument } from '../../injector/policy-document.ts';
import { resolve } from '../../injector/resolve.ts';
import { CHART } from '../chart.ts';
import { InputError } from '../input-error.ts';
import { parseManifest } from '../manifest/manifest.ts';
import type { WrittenPolicies } from '../policy-file.ts';
import { policiesOf } from '../policy-file.ts';

/** Where spans go instead of where a policy says. */
export type Destination = Pick<DocumentExporter, 'protocol' | 'endpoint'>;

const NONE: WrittenPolicies = { namespaced: [], cluster: [] };

/**
 * What a local process is told by the policies in a file, as in a pod; but its spans go to one destination, unless the policy
 * switches tracing off or has no exporter.
 * @param namespace of the pod; undefined: that of the TracingPolicies in the file.
 * @throws InputError for a file that the API server would refuse, and where no policy in it applies.
 */
export function localDocument(
  text: string,
  file: string,
  destination: Destination,
  namespace?: string,
): PolicyDocument {
  const written = policiesOf(parseManifest(text, file), namespace ?? 'default', true);
  const place = namespace ?? namespaceOf(written, file);
  const { policy, document } = resolved(written, place, destination);
  if (!policy || !document)
    throw new InputError(
      `${file}: no policy in it applies in the namespace ${place} to a pod without labels. A TracingPolicy of that namespace is expected, or a ClusterTracingPolicy without selectors`,
    );
  return document;
}

/** What a local process is told without any policy: all is traced, but for what the chart's default leaves out. */
export function defaultLocalDocument(destination: Destination): PolicyDocument {
  return resolved(NONE, 'default', destination).document!;
}

/** A policy in words, for whoever watches. */
export function describeDocument({ source, spec: { exporters, sampling, signals } }: PolicyDocument): string {
  if (exporters.length === 0 || signals?.traces === false) return `${source}: nothing is recorded`;
  const { rules = [] } = sampling;
  return `${source}: ratio ${sampling.ratio}${rules.length > 0 ? `, rules: ${rules.length}` : ''}`;
}

function namespaceOf({ namespaced }: WrittenPolicies, file: string): string {
  const [first, ...others] = new Set(namespaced.map(({ metadata }) => metadata.namespace));
  if (others.length > 0)
    throw new InputError(
      `${file}: there are policies of the namespaces ${[first, ...others].join(', ')}. Which is meant? e.g. -n ${first}`,
    );
  return first ?? 'default';
}

function resolved(written: WrittenPolicies, namespace: string, destination: Destination) {
  const exporter: DocumentExporter = { name: 'local', ...destination, headers: [], signals: ['traces'] };
  const { name, endpoint } = exporter;
  // The only policy of a file is meant, whatever its selector says.
  const [only, ...others] = written.namespaced;
  const { policy, document } = resolve(
    { ...written, defaults: { ...CHART.defaultPolicy, exporters: [{ name, endpoint }] } },
    {
      namespace,
      namespaceLabels: { 'kubernetes.io/metadata.name': namespace },
      ...(only && others.length === 0 && { annotations: { [POLICY]: only.metadata.name } }),
    },
  );
  if (!document) return { policy, document };
  const exporters = document.spec.exporters.length > 0 ? [exporter] : [];
  return { policy, document: { ...document, spec: { ...document.spec, exporters } } };
}
