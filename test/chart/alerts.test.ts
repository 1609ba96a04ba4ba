import { mkdtempSync, rmSync, writeFileSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dump, load } from 'js-yaml';
import { run } from '../cluster/command.ts';
import { prometheusFolder } from '../cluster/prometheus.ts';
import { CHART, manifests } from './helm.ts';

interface Rule {
  alert: string;
  for?: string;
  annotations: Record<string, string>;
}
const RULES = join(CHART, 'alerts.yaml');
const rules = (load(readFileSync(RULES, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (each) => each.rules,
);

/** Series of a minute's step over two hours, in promtool's words: a+bxn is a, then b more each time. */
type Series = Record<string, string>;
const CERTIFICATE = 'tracing_operator_certificate_expiry_timestamp_seconds{instance="a"}';
const HEALTHY: Series = {
  [CERTIFICATE]: '2592000x120',
  'leader_election_master_status{instance="a",name="tracing-operator"}': '1x120',
  // Of another operator that fails and does not lead: none of our business.
  'leader_election_master_status{instance="other",name="other"}': '0x120',
  'controller_runtime_reconcile_total{instance="other",controller="x",result="error"}': '0+9x120',
  'controller_runtime_reconcile_total{instance="a",controller="policy",result="error"}': '0x120',
  'tracing_operator_admission_failures_total{instance="a"}': '0x120',
  'controller_runtime_webhook_requests_total{instance="a",webhook="/mutate",code="200"}': '0+60x120',
  'controller_runtime_webhook_latency_seconds_bucket{instance="a",webhook="/mutate",le="0.01"}': '0+60x120',
  'controller_runtime_webhook_latency_seconds_bucket{instance="a",webhook="/mutate",le="1"}': '0+60x120',
  'controller_runtime_webhook_latency_seconds_bucket{instance="a",webhook="/mutate",le="+Inf"}': '0+60x120',
  'tracing_operator_pods{instance="a",namespace="shop",state="matched"}': '10x120',
  'tracing_operator_pods{instance="a",namespace="shop",state="missing"}': '0x120',
  'tracing_operator_pods{instance="a",namespace="shop",state="failed"}': '0x120',
  'tracing_operator_pods{instance="a",namespace="shop",state="noAgentReport"}': '0x120',
  'tracing_operator_pods{instance="a",namespace="empty",state="matched"}': '0x120',
  'tracing_operator_pods{instance="a",namespace="empty",state="missing"}': '0x120',
  'tracing_operator_agent_canary_halted{instance="a",policy="next"}': '0x120',
  'tracing_operator_export_errors_total{instance="a",namespace="shop",exporter="default"}': '3x120',
  'tracing_operator_spans_exported_total{instance="a",namespace="shop"}': '0+1000x120',
  'tracing_operator_spans_dropped_total{instance="a",namespace="shop",reason="queueFull"}': '0+1x120',
  'tracing_operator_export_queue_fill_ratio{instance="a",namespace="shop",exporter="default"}': '0.1x120',
};
/** What makes each alert fire, and nothing else. */
const TROUBLE: Record<string, Series> = {
  TracingOperatorDown: { [CERTIFICATE]: '_x120' },
  TracingOperatorNoLeader: { 'leader_election_master_status{instance="a",name="tracing-operator"}': '0x120' },
  TracingInjectionFailing: {
    'controller_runtime_webhook_requests_total{instance="a",webhook="/mutate",code="500"}': '0+1x120',
  },
  TracingWebhookSlow: {
    'controller_runtime_webhook_latency_seconds_bucket{instance="a",webhook="/mutate",le="0.01"}': '0x120',
  },
  TracingCertificateEnding: { [CERTIFICATE]: '259200x120' },
  TracingReconcileFailing: {
    'controller_runtime_reconcile_total{instance="a",controller="policy",result="error"}': '0+1x120',
  },
  TracingCoverageDrop: { 'tracing_operator_pods{instance="a",namespace="shop",state="missing"}': '2x120' },
  TracingAgentsFailing: { 'tracing_operator_pods{instance="a",namespace="shop",state="noAgentReport"}': '2x120' },
  TracingAgentUnavailable: {
    'tracing_operator_agent_unavailable{instance="a",namespace="shop",reason="ImagePull"}': '1x120',
  },
  TracingAgentCanaryHalted: { 'tracing_operator_agent_canary_halted{instance="a",policy="next"}': '1x120' },
  TracingExportFailing: {
    'tracing_operator_export_errors_total{instance="a",namespace="shop",exporter="default"}': '0+1x120',
  },
  TracingSpansLost: {
    'tracing_operator_spans_dropped_total{instance="a",namespace="shop",reason="queueFull"}': '0+100x120',
  },
  TracingQueueFilling: {
    'tracing_operator_export_queue_fill_ratio{instance="a",namespace="shop",exporter="default"}': '0.9x120',
  },
};

describe("the chart's alerts", () => {
  const scratch = mkdtempSync(join(tmpdir(), 'alerts-'));
  let promtool: string;

  beforeAll(async () => {
    promtool = join(await prometheusFolder(), 'promtool');
  }, 120_000);
  afterAll(() => rmSync(scratch, { recursive: true }));

  it('are rules that Prometheus takes, also as the chart gives them, each with a section of the guide', async () => {
    expect(await run(promtool, ['check', 'rules', RULES])).toContain(`SUCCESS: ${rules.length} rules found`);
    const all = await manifests(['alerts.enabled=true', 'alerts.runbooks=https://example.com/alerts']);
    const rendered = all.find(({ kind }) => kind === 'PrometheusRule')!.spec as { groups: { rules: Rule[] }[] };
    const file = join(scratch, 'rendered.yaml');
    writeFileSync(file, dump(rendered));
    expect(await run(promtool, ['check', 'rules', file])).toContain(`SUCCESS: ${rules.length} rules found`);
    const guide = readFileSync(join(CHART, '../../docs/guides/alerts.md'), 'utf8');
    for (const { alert, annotations } of rendered.groups.flatMap((each) => each.rules)) {
      expect(annotations['runbook_url']).toBe(`https://example.com/alerts#${alert.toLowerCase()}`);
      expect(guide).toContain(`\n## ${alert}\n`);
    }
  });

  it('fire each in its own trouble, after its time and no sooner, and stay silent while all is well', async () => {
    expect(Object.keys(TROUBLE)).toEqual(rules.map(({ alert }) => alert));
    const now = (alert: string, firing: boolean, minute: number) => ({
      eval_time: `${minute}m`,
      expr: `count(ALERTS{alertname="${alert}",alertstate="firing"}) or vector(0)`,
      exp_samples: [{ labels: '{}', value: Number(firing) }],
    });
    const quiet = {
      expr: 'count(ALERTS) or vector(0)',
      eval_time: '110m',
      exp_samples: [{ labels: '{}', value: 0 }],
    };
    const series = (all: Series) => Object.entries(all).map(([name, values]) => ({ series: name, values }));
    const tests = [
      { name: 'all is well', interval: '1m', input_series: series(HEALTHY), promql_expr_test: [quiet] },
      ...rules.map(({ alert, for: duration = '0m' }) => ({
        name: alert,
        interval: '1m',
        input_series: series({ ...HEALTHY, ...TROUBLE[alert] }),
        promql_expr_test: [
          ...(duration === '0m' ? [] : [now(alert, false, duration === '1h' ? 59 : Number.parseInt(duration) - 1)]),
          now(alert, true, 110),
          { ...quiet, expr: 'count(count by (alertname) (ALERTS))', exp_samples: [{ labels: '{}', value: 1 }] },
        ],
      })),
    ];
    const file = join(scratch, 'test.yaml');
    writeFileSync(file, dump({ rule_files: [RULES], evaluation_interval: '1m', tests }, { skipInvalid: true }));
    await expect(run(promtool, ['test', 'rules', file])).resolves.toContain('SUCCESS');
  });
});
