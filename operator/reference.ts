import { writeFileSync } from 'node:fs';
import { registry } from './metrics.ts';

const PAGE = new URL('../docs/reference/metrics.md', import.meta.url);

/** What prom-client knows of each, and does not say in its types. */
interface Described {
  name: string;
  help: string;
  type: string;
  labelNames: string[];
}

const INTRO = `<!-- Generated from operator/metrics.ts by "make generate". Do not edit. -->

# Metrics

Of the operator, on port \`metrics\` of its Service, at \`/metrics\`, for Prometheus:

\`\`\`sh
kubectl get --raw /api/v1/namespaces/tracing-system/services/tracing-operator:metrics/proxy/metrics
\`\`\`

That asks one replica. What is said below to be the same of every replica is to be taken once (\`max by (namespace)\`), all else is of
each replica and is summed up. The names without \`tracing_operator_\` are those of controller-runtime and client-go, so that dashboards
for these work; and there are [those of every Node.js process](https://github.com/siimon/prom-client#default-metrics), \`process_…\` and
\`nodejs_…\`. [Alerts](../guides/alerts.md) and two dashboards go by them. Agents export no metrics about themselves: what they count comes with
their reports to the operator.
`;

/** docs/reference/metrics.md as it is to be. */
export function reference(): string {
  const own = (registry.getMetricsAsArray() as unknown as Described[])
    .filter(({ name }) => !/^(process|nodejs)_/.test(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const rows = own.map(({ name, type, labelNames, help }) => {
    const labels = labelNames.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${labels} | ${help.replaceAll('<', '\\<')} |`;
  });
  return [INTRO, '| Metric | Type | Labels | What it says |', '|---|---|---|---|', ...rows, ''].join('\n');
}

if (import.meta.main) writeFileSync(PAGE, reference());
