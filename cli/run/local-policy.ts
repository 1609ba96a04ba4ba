import { isDeepStrictEqual } from 'node:util';
import type { DocumentExporter, PolicyDocument } from '../../injector/policy-document.ts';
import type { DefaultPolicy } from '../../injector/resolve.ts';
import { defaultDocument } from '../../injector/resolve.ts';
import { CHART } from '../chart.ts';
import { policyOfFile } from '../policy-of-file.ts';

/** Where spans go instead of where a policy says. */
export type Destination = Pick<DocumentExporter, 'protocol' | 'endpoint'>;

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
  return sentTo(destination, policyOfFile(text, file, defaults(destination), namespace).document);
}

/** What a local process is told without any policy: all is traced, but for what the chart's default leaves out. */
export function defaultLocalDocument(destination: Destination): PolicyDocument {
  return sentTo(destination, defaultDocument(defaults(destination))!);
}

/** A policy in words, for whoever watches. */
export function describeDocument({ source, spec: { exporters, sampling, signals } }: PolicyDocument): string {
  if (exporters.length === 0 || signals?.traces === false) return `${source}: nothing is recorded`;
  const { rules = [] } = sampling;
  const ofChart = !source.startsWith('chart ') && isDeepStrictEqual(rules, CHART.defaultPolicy.sampling?.rules);
  const said = `, rules: ${rules.length}${ofChart ? " of the chart's default" : ''}`;
  return `${source}: ratio ${sampling.ratio}${rules.length > 0 ? said : ''}`;
}

/** A policy without exporters has one all the same. */
function defaults({ endpoint }: Destination): DefaultPolicy {
  return { ...CHART.defaultPolicy, exporters: [{ name: 'local', endpoint }] };
}

function sentTo(destination: Destination, document: PolicyDocument): PolicyDocument {
  const exporter: DocumentExporter = { name: 'local', ...destination, headers: [], signals: ['traces'] };
  const exporters = document.spec.exporters.length > 0 ? [exporter] : [];
  return { ...document, spec: { ...document.spec, exporters } };
}
