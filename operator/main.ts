import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import type { Logger } from 'pino';
import { describePolicy } from '../injector/resolve.ts';
import { serve } from '../webhook/tls-server.ts';
import { admission } from './admission.ts';
import { BreakerController } from './breaker/controller.ts';
import { Replacements } from './breaker/replacements.ts';
import type { Config } from './config.ts';
import { readConfig } from './config.ts';
import { digests } from './digest/parts.ts';
import { EventRecorder } from './events/recorder.ts';
import { gauges } from './gauges.ts';
import { Installation } from './installation.ts';
import { integrations } from './integration/parts.ts';
import { KubeClient } from './kube/client.ts';
import { WorkQueue } from './kube/workqueue.ts';
import { LeaderElector } from './leader/lease.ts';
import type { Part } from './manager.ts';
import { Manager } from './manager.ts';
import {
  countDroppedEvents,
  countNudge,
  countReplaced,
  countRequest,
  countReport,
  forgetSpans,
  leaderMetric,
  queueMetrics,
  registry,
} from './metrics.ts';
import { OverrideController } from './override/controller.ts';
import { coveragePage } from './page/parts.ts';
import { ClusterView } from './policy/cluster-view.ts';
import { InjectionScope } from './policy/injection-scope.ts';
import { PolicyController } from './policy/controller.ts';
import { HEARD_AFTER, Nudges } from './policy/nudges.ts';
import { probes } from './probes.ts';
import { reachOf, releaseOf } from './reach.ts';
import { Peers } from './reports/peers.ts';
import { REPORT_INTERVAL } from './reports/report.ts';
import { reportsApp } from './reports/server.ts';
import { ReportStore } from './reports/store.ts';
import { Tokens } from './reports/tokens.ts';
import { rollouts } from './rollout/parts.ts';
import type { ServingController } from './serving/controller.ts';
import { serving as servingParts } from './serving/parts.ts';
import { StatusController } from './status/controller.ts';
import { WorkloadController } from './workload/controller.ts';

const HELP = `tracing-operator: traces every Node.js service of a Kubernetes cluster without a code change

Usage:
  operator --config FILE     run, with the configuration that the chart writes

Options:
  --config FILE   YAML or JSON; see charts/tracing-operator/templates/configmap.yaml
  --help          this text

Example:
  operator --config /etc/tracing-operator/config.yaml
`;

/** Pods told of a changed policy, over all namespaces: one change may concern every pod of a cluster. */
const NUDGES = { burst: 200, perSecond: 100 };
/** Pods made anew because their agent cannot be had: each is one more for scheduler and kubelets. */
const REPLACEMENTS = { burst: 20, perSecond: 5 };
/** Workloads set right because the webhook was away: each is a rollout. */
const REPAIRS = { burst: 20, perSecond: 2 };
/** Changes of many policies or namespaces at once become one write of the webhook configuration. */
const SETTLE = 200;
/** A rollout of many pods makes few writes of status. */
const STATUS_SETTLE = 1000;
/** How soon silence of agents shows in status, besides the time that is left to them. */
const RESUMMARIZE = 60_000;
/** Endpoints follow readiness within a few seconds; until then connections still come. */
const DRAIN = 5_000;
/** After that, requests in flight have this long. */
const GRACE = 5_000;
/** The kubelet kills us after 30 s: whatever has not stopped by then is left as it is. */
const LAST_MOMENT = 25_000;

interface Hooks {
  /** Names of what is not ready. */
  waitingFor: () => string[];
  /** Another replica may lead now: this process must end. */
  onLost: () => void;
}

function parts(config: Config, client: KubeClient, logger: Logger, { waitingFor, onLost }: Hooks): Part[] {
  const view = new ClusterView(client, config.defaultPolicy, logger);
  const installation = new Installation(client, config.webhook.configuration, logger);
  const { owners } = installation;
  const { namespace, webhook, reports } = config;
  const reach = reachOf(config);
  const serviceName = `${webhook.service}.${namespace}.svc`;
  const store = new ReportStore(Date.now());
  const tokens = new Tokens(client, Date.now);
  const reporting = () => ({ url: `https://${serviceName}:${reports.servicePort}/reports`, ca: serving.authorities });
  const peers = new Peers({
    store,
    host: reports.peers,
    serverName: serviceName,
    port: reports.port,
    ca: () => serving.authorities,
    token: () => readFileSync(reports.token, 'utf8').trim(),
    logger,
  });

  const events = new EventRecorder({ client, instance: hostname(), logger, onDropped: countDroppedEvents });
  // Whatever is to be done once, by one replica, is done with this client.
  const leading = client.guarded(() => elector.assertLeading());
  const onError = (key: string, error: unknown, failures: number) =>
    logger.warn({ key, failures, error: String(error) }, 'reconcile failed: trying again');
  const nudges = new Nudges(leading, view, {
    reports: (podUid) => store.of(podUid),
    logger,
    now: Date.now,
    onNudge: (key) => {
      countNudge();
      hearingQueue.addAfter(key, HEARD_AFTER);
    },
    onUnheard: (key) => nudgeQueue.add(key),
  });
  const nudgeQueue = new WorkQueue((key, signal) => nudges.nudge(key, signal), {
    workers: 10,
    pace: NUDGES,
    group: (key) => key.slice(0, key.indexOf('/')),
    observer: queueMetrics('nudge'),
    onError,
  });
  const hearingQueue = new WorkQueue((key) => Promise.resolve(nudges.follow(key)), {
    observer: queueMetrics('hearing'),
    onError,
  });
  const controller = new PolicyController(leading, view, {
    logger,
    reporting,
    owners,
    nudges,
    onBehind: (key) => nudgeQueue.add(key),
  });
  const policyQueue = new WorkQueue((key, signal) => controller.reconcile(key, signal), {
    workers: 4,
    observer: queueMetrics('policy'),
    onError,
  });
  const agent = {
    agentImage: config.agent.image,
    agentImagePullPolicy: config.agent.imagePullPolicy,
    agentImagePullSecrets: config.agent.imagePullSecrets,
  };
  const replacements = new Replacements(leading, view, {
    logger,
    now: Date.now,
    events,
    onReplaced: countReplaced,
    onStuck: (key) => replacementQueue.add(key),
  });
  const replacementQueue = new WorkQueue((key, signal) => replacements.replace(key, signal), {
    workers: 4,
    pace: REPLACEMENTS,
    group: (key) => key.slice(0, key.indexOf('/')),
    observer: queueMetrics('replacement'),
    onError,
  });
  const breaker = new BreakerController(leading, view, { logger, now: Date.now, agent, replacements });
  const breakerQueue = new WorkQueue((key, signal) => breaker.reconcile(key, signal), {
    observer: queueMetrics('breaker'),
    onError,
  });
  const workloads: WorkloadController = new WorkloadController(leading, {
    reach,
    logger,
    now: Date.now,
    onWrong: (key) => workloadQueue.add(key),
  });
  const workloadQueue = new WorkQueue((key, signal) => workloads.reconcile(key, signal), {
    pace: REPAIRS,
    // The webhook may have to be waited for: it begins to be found when this process is ready.
    baseDelay: 1_000,
    maxDelay: 60_000,
    observer: queueMetrics('workload'),
    onError,
  });
  const scope = new InjectionScope(leading, view, {
    configuration: webhook.configuration,
    reach,
    logger,
  });
  const scopeQueue = new WorkQueue((_key, signal) => scope.reconcile(signal), {
    observer: queueMetrics('injection-scope'),
    onError,
  });
  const meshes = integrations({ client, leading }, view, {
    config,
    reach,
    logger,
    queue: { workers: 4, observer: queueMetrics('integration'), onError },
    settle: SETTLE,
    onOutcome: (name) => summaryQueue.addAfter(name, SETTLE),
  });
  const status: StatusController = new StatusController(leading, view, {
    defaults: config.defaultPolicy,
    logger,
    now: Date.now,
    ...{ events, agent, reach, release: releaseOf(config) },
    reports: (podUid) => store.of(podUid),
    integrations: (name) => meshes.controller.outcomes(name),
    listeningSince: Date.now(),
    holds: (id) => restarts.holds(id),
    onPolicy: (id) => {
      statusQueue.addAfter(id, STATUS_SETTLE);
      restarts.changed(id);
    },
  });
  const restarts = rollouts(leading, view, {
    ...{ logger, now: Date.now, events, agent, reach, allowed: config.changeWorkloads },
    stale: (id) => status.stale(id),
    onChange: (id) => statusQueue.addAfter(id, STATUS_SETTLE),
    queue: { observer: queueMetrics('rollout'), onError },
  });
  const overrides = new OverrideController(leading, view, { logger, now: Date.now });
  const statusQueue = new WorkQueue(
    async (id, signal) => {
      await status.reconcile(id, signal);
      return overrides.reconcile(id, signal);
    },
    { workers: 2, observer: queueMetrics('status'), onError },
  );
  gauges(view, store, status);
  const page = coveragePage(config, client, view, { reports: (podUid) => store.of(podUid), logger });
  const summaryQueue = new WorkQueue(
    (name) => {
      status.summarizeNamespace(name);
      page?.changed(name);
      return Promise.resolve(undefined);
    },
    { observer: queueMetrics('summary'), onError },
  );
  const digest = digests(leading, view, {
    reports: (podUid) => store.of(podUid),
    queue: (name) => ({ observer: queueMetrics(name), onError }),
  });
  store.onChange((name) => {
    summaryQueue.addAfter(name, SETTLE);
    digest.changed(name);
  });
  // Silence changes what is known as well: every namespace with traced pods is summed up again now and then.
  const resummarize = () => {
    const alive = new Set<string>();
    for (const { metadata } of view.namespaces()) {
      const pods = view.injectedPods(metadata.name);
      for (const pod of pods) alive.add(pod.metadata.uid);
      if (pods.length > 0) summaryQueue.add(metadata.name);
      if (pods.length > 0) digest.look(metadata.name);
    }
    digest.everyMinute();
    restarts.everyMinute();
    store.prune((podUid) => alive.has(podUid), Date.now() - 3 * REPORT_INTERVAL * 1000);
    forgetSpans((name) => view.namespace(name) !== undefined);
  };
  let summaryTimer: NodeJS.Timeout | undefined;
  const rescope = () => scopeQueue.addAfter(webhook.configuration, SETTLE);
  view.listen({
    namespace: (name) => {
      policyQueue.add(name);
      breakerQueue.add(name);
      meshes.queue.add(name);
      summaryQueue.addAfter(name, SETTLE);
    },
    pods: (namespace) => {
      policyQueue.addAfter(namespace, SETTLE);
      breakerQueue.addAfter(namespace, SETTLE);
      meshes.queue.addAfter(namespace, SETTLE);
      summaryQueue.addAfter(namespace, SETTLE);
    },
    policy: (policy) => {
      statusQueue.addAfter(describePolicy(policy), STATUS_SETTLE);
      restarts.changed(describePolicy(policy));
    },
    injection: rescope,
  });

  const queues = [
    policyQueue,
    nudgeQueue,
    hearingQueue,
    scopeQueue,
    statusQueue,
    breakerQueue,
    meshes.queue,
    replacementQueue,
    workloadQueue,
    ...digest.queues,
    ...restarts.queues,
  ];
  // Followers queue up what they see, so that none of it is missed by the one that leads next.
  const elector: LeaderElector = new LeaderElector({
    client,
    namespace,
    lease: config.lease,
    owners,
    identity: `${hostname()}_${randomUUID()}`,
    logger,
    onLeading: leaderMetric(config.lease),
    onStartedLeading: () => {
      for (const queue of queues) queue.start();
      rescope();
      if (config.changeWorkloads) workloads.start();
    },
    onStoppedLeading: async (why) => {
      await Promise.all([workloads.stop(), ...queues.map((queue) => queue.stop())]);
      if (why === 'lost') onLost();
    },
  });

  const serving: ServingController = servingParts(client, config, {
    owners,
    // The webhook of policies is made after the chart's.
    onChange: () => rescope(),
    onAuthorities: () => {
      for (const each of view.namespaces()) policyQueue.add(each.metadata.name);
    },
    logger,
  });

  return [
    probes(config.probePort, registry, waitingFor),
    events,
    installation,
    {
      name: 'caches',
      start: () => view.start(),
      waitingFor: () => view.waitingFor(),
      stop: () => view.stop(),
    },
    {
      name: 'webhook',
      start: async () => {
        const peer = `system:serviceaccount:${namespace}:${reports.serviceAccount}`;
        const identify = (token: string) => tokens.identify(token);
        const inject = () => ({ ...agent, reporting: reporting() });
        await serving.start(async (certificate) => [
          await serve(admission(view, { inject, meshes: meshes.ofPods, events, logger, now: Date.now }), {
            port: webhook.port,
            certificate,
          }),
          await serve(reportsApp({ store, identify, peer, now: Date.now, onReport: countReport, logger }), {
            port: reports.port,
            certificate,
          }),
          ...(page ? [await page.serve(certificate)] : []),
        ]);
      },
      waitingFor: () => serving.problem,
      drain: () => serving.drain(),
      stop: () => serving.stop(GRACE),
    },
    meshes.part,
    ...(page ? [page.part] : []),
    // Writes nothing. A follower that has summed up already does not begin to lead with counts that are not yet whole.
    {
      name: 'summaries',
      start: () => {
        summaryQueue.start();
        summaryTimer = setInterval(resummarize, RESUMMARIZE);
      },
      stop: async () => {
        clearInterval(summaryTimer);
        await summaryQueue.stop();
      },
    },
    peers,
    elector,
  ];
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string' }, help: { type: 'boolean' } } });
  if (values.help || !values.config) {
    process.stdout.write(HELP);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const config = readConfig(values.config);
  const logger = pino({
    level: config.logLevel,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level) => ({ level }) },
  });
  const mebibytes = () => Math.round(process.memoryUsage.rss() / 2 ** 20);
  logger.info({ rssMiB: mebibytes(), node: process.version }, 'starting');

  const client = KubeClient.fromDefault();
  client.observe(countRequest);
  const end = (drain: number, code: number): void => {
    setTimeout(() => {
      logger.error('something did not stop in time');
      process.exit(1);
    }, LAST_MOMENT).unref();
    void manager.stop(drain).then(() => {
      client.close();
      process.exit(code);
    });
  };
  const hooks: Hooks = {
    waitingFor: () => manager.waitingFor(),
    // The kubelet starts it again, with nothing left over from the time in which it led.
    onLost: () => end(DRAIN, 1),
  };
  const manager = new Manager(parts(config, client, logger, hooks), logger);
  for (const name of ['SIGTERM', 'SIGINT'] as const)
    process.once(name, () => {
      logger.info({ signal: name }, 'stopping');
      end(name === 'SIGTERM' ? DRAIN : 0, 0);
    });
  await manager.start();
  logger.info({ rssMiB: mebibytes(), seconds: Number(process.uptime().toFixed(2)) }, 'ready');
}

main().catch((error: unknown) => {
  process.stderr.write(`tracing-operator: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
