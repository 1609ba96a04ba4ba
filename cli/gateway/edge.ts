import type { Propagator } from '../../crds/tracing-policy.ts';
import type { DocumentExporter, PolicyDocument } from '../../injector/policy-document.ts';
import { CHART } from '../chart.ts';
import { InputError } from '../input-error.ts';
import { policyOfFile } from '../policy-of-file.ts';

/** What a proxy at the edge has to do so that a policy's decision is made once, whatever proxy that is. */
export interface Edge {
  /** Whom to blame, for people: `TracingPolicy shop/default`. */
  source: string;
  /** Whether a request that comes with the context of a trace goes on with it. */
  trusts: boolean;
  /** The share of traces that begin here and are sampled, 0 to 1; or why none begins here, in words for people. */
  begins: { ratio: number } | { nothing: string };
  /** Keys that are passed on; undefined: all of them. */
  baggage: readonly string[] | undefined;
  /** Headers of the policy's other formats, in lower case: those that name a trace, and the rest of them. */
  otherFormats: { traces: string[]; rest: string[] };
  /** Where the policy says that spans go first; undefined where it leaves that to the chart. */
  exporter: DocumentExporter | undefined;
  /** Of the policy, for all spans. */
  attributes: Record<string, string>;
}

/** Headers by which a trace travels, the ones that name it first. */
const FORMATS: Record<Exclude<Propagator, 'tracecontext' | 'baggage'>, { traces: string[]; rest: string[] }> = {
  b3: { traces: ['b3'], rest: [] },
  b3multi: { traces: ['x-b3-traceid'], rest: ['x-b3-spanid', 'x-b3-parentspanid', 'x-b3-sampled', 'x-b3-flags'] },
  jaeger: { traces: ['uber-trace-id'], rest: [] },
  xray: { traces: ['x-amzn-trace-id'], rest: [] },
};

/** Stands for those of the chart, which nobody sees here: that they are there is enough for a decision. */
const CHART_EXPORTERS = [{ name: 'chart', endpoint: 'http://collector' }];

/**
 * What the policy of a file asks of the edge before its services.
 * @param proxy as it is called in messages.
 * @param namespace of the services; undefined: that of the TracingPolicies in the file.
 * @throws InputError for a file without a policy that can be read, and where the services read nothing that such a proxy writes.
 */
export function edgeOf(proxy: string, text: string, file: string, namespace?: string): Edge {
  const { policy, document } = policyOfFile(
    text,
    file,
    { ...CHART.defaultPolicy, exporters: CHART_EXPORTERS },
    namespace,
  );
  const { propagators, baggage } = document.spec;
  if (!propagators.includes('tracecontext'))
    throw new InputError(
      `${document.source}: spec.propagators: ${proxy} keeps and makes traceparent, which services read by the propagator tracecontext, and there are ${propagators.join(', ')} alone. Add it, e.g. propagators: [tracecontext, ${propagators.join(', ')}]`,
    );
  const others = propagators.flatMap((name) => (name === 'tracecontext' || name === 'baggage' ? [] : [FORMATS[name]]));
  const trusts = policy.spec.gateway?.trustIncoming ?? true;
  return {
    source: document.source,
    trusts,
    begins: beginningsOf(document),
    // Whoever may not say which trace a request belongs to may not say what travels with it either.
    baggage: propagators.includes('baggage') && trusts ? baggage?.allow : [],
    otherFormats: { traces: others.flatMap(({ traces }) => traces), rest: others.flatMap(({ rest }) => rest) },
    exporter: policy.spec.exporters && document.spec.exporters[0],
    attributes: document.spec.resource.attributes,
  };
}

/** One number is all that an edge can decide by. Rules that only drop count in the services, whoever has decided. */
function beginningsOf({ spec: { sampling, exporters, signals } }: PolicyDocument): Edge['begins'] {
  if (exporters.length === 0 || signals?.traces === false) return { nothing: 'under the policy nothing is recorded' };
  if (sampling.rules?.some(({ drop }) => !drop))
    return { nothing: 'rules of the policy have ratios or rates, so the services decide' };
  if (sampling.force) return { nothing: 'a header can ask for a trace (sampling.force), so the services decide' };
  if (sampling.parentBased === false) return { nothing: 'the services decide anew (sampling.parentBased: false)' };
  return { ratio: sampling.ratio };
}

/** The first lines of what is generated, without the sign of a comment. */
export function headline({ source, begins, trusts }: Edge): string[] {
  const incoming = trusts
    ? 'Context that comes with a request is kept.'
    : 'Context that comes with a request is ignored (gateway.trustIncoming: false).';
  const beginning =
    'ratio' in begins
      ? `Of the traces that begin here ${percent(begins.ratio)} % are sampled.`
      : `No trace begins here: ${begins.nothing}.`;
  return [`Tracing at the edge, by ${source}.`, incoming, beginning];
}

function percent(ratio: number): number {
  return Number((ratio * 100).toPrecision(6));
}
