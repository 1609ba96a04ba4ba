import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { json } from 'node:stream/consumers';
import { REPORT_AUDIENCE } from '../../injector/names.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { CONFIGURATIONS } from '../../operator/serving/webhook-configuration.ts';
import { until } from '../cluster/progress.ts';
import { freePort } from '../servers/free-port.ts';
import { makeNamespace } from './api-server.ts';
import { CountingRelay } from './counting-relay.ts';

const MAIN = resolve(import.meta.dirname, '../../operator/main.ts');

/** What replicas of an operator share: a namespace, and the webhook configuration that the chart would have made. */
export interface Installation {
  namespace: string;
  manifest: object;
  /** With which replicas ask each other. */
  token: string;
  /** Where meshes are, as the operator's configuration says it; left out, as by default. */
  integrations?: object;
  /** Whether it serves the coverage page. */
  page?: boolean;
  remove: () => Promise<void>;
}

/** Throws where an operator is installed in the cluster: two would do each other's work. */
export async function requireNoOperator(client: KubeClient): Promise<void> {
  const { items } = await client.request<{ items: { metadata: { name: string } }[] }>('GET', CONFIGURATIONS);
  const others = items.map(({ metadata }) => metadata.name).filter((name) => name.includes('tracing'));
  if (others.length > 0)
    throw new Error(`an operator is installed (${others.join()}): a cluster without one is needed`);
}

export async function install(client: KubeClient): Promise<Installation> {
  const namespace = await makeNamespace(client);
  const manifest = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: namespace.name },
    webhooks: [
      {
        name: 'pods.tracing.acme',
        clientConfig: { service: { namespace: namespace.name, name: 'operator', path: '/mutate' } },
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy: 'Ignore',
        // Nobody serves it under that name: these replicas run beside the cluster, not in it.
        namespaceSelector: { matchLabels: { 'example.com/none': 'none' } },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
      },
    ],
  };
  await client.request('POST', CONFIGURATIONS, { body: manifest });
  const accounts = `/api/v1/namespaces/${namespace.name}/serviceaccounts`;
  await client.request('POST', accounts, {
    body: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'operator' } },
  });
  const { status } = await client.request<{ status: { token: string } }>('POST', `${accounts}/operator/token`, {
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: [REPORT_AUDIENCE], expirationSeconds: 3_600 },
    },
  });
  const remove = async () => {
    await client.request('DELETE', `${CONFIGURATIONS}/${namespace.name}`);
    await namespace.delete();
  };
  return { namespace: namespace.name, manifest, token: status.token, remove };
}

/** The real operator as a process of its own, which reaches the API server through a relay of its own. */
export class OperatorProcess {
  readonly relay = new CountingRelay();
  /** Its log, as objects, with the time at which each line came, of performance.now(). */
  readonly log: { at: number; msg: string; [field: string]: unknown }[] = [];
  readonly #installation: Installation;
  readonly #certificateDirectory: string | undefined;
  /** Where it answers reviews, in TLS. */
  webhookPort = 0;
  /** Where it serves the coverage page, in TLS, if it does. */
  pagePort = 0;
  readonly #folder = mkdtempSync(join(tmpdir(), 'operator-'));
  #process: ChildProcess | undefined;
  #probes = '';
  #reports = 0;

  /** @param certificateDirectory where somebody else keeps its certificate; without one it makes its own. */
  constructor(installation: Installation, certificateDirectory?: string) {
    this.#installation = installation;
    this.#certificateDirectory = certificateDirectory;
  }

  /** @param nodeArgs for its Node. */
  async start(nodeArgs: string[] = []): Promise<void> {
    const server = await this.relay.listen();
    const kubeconfig = join(this.#folder, 'kubeconfig');
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'relay',
        contexts: [{ name: 'relay', context: { cluster: 'relay', user: 'relay' } }],
        clusters: [{ name: 'relay', cluster: { server, 'insecure-skip-tls-verify': true } }],
        users: [{ name: 'relay', user: {} }],
      }),
    );
    const [probePort, webhookPort, reportsPort] = [await freePort(), await freePort(), await freePort()];
    this.webhookPort = webhookPort;
    this.pagePort = await freePort();
    const config = join(this.#folder, 'config.json');
    const { namespace, manifest, token, integrations, page } = this.#installation;
    writeFileSync(join(this.#folder, 'token'), token);
    writeFileSync(
      config,
      JSON.stringify({
        namespace,
        lease: 'operator',
        agent: { image: 'agent:test' },
        webhook: {
          port: webhookPort,
          service: 'operator',
          configuration: namespace,
          manifests: [manifest],
          secret: 'webhook',
          ...(this.#certificateDirectory !== undefined && {
            certificateDirectory: this.#certificateDirectory,
            bundleIsForeign: true,
          }),
        },
        reports: {
          port: reportsPort,
          peers: 'localhost',
          token: join(this.#folder, 'token'),
          serviceAccount: 'operator',
        },
        probePort,
        ...(integrations && { integrations }),
        ...(page && { page: { port: this.pagePort } }),
      }),
    );
    this.#reports = reportsPort;
    this.#probes = `http://127.0.0.1:${probePort}`;
    this.#process = spawn(process.execPath, [...nodeArgs, MAIN, '--config', config], {
      env: { ...process.env, KUBECONFIG: kubeconfig },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    createInterface(this.#process.stdout!).on('line', (line) => {
      this.log.push({ at: performance.now(), ...(JSON.parse(line) as { msg: string }) });
    });
    await this.says('ready');
  }

  /** Resolves to when a line with this message came. */
  async says(msg: string, timeout = 60_000): Promise<number> {
    const line = () => this.log.find((each) => each.msg === msg);
    await until(`the operator has not said "${msg}"`, timeout, () => {
      const ended = this.#process?.exitCode ?? this.#process?.signalCode;
      if (ended !== null && !line()) throw new Error(`the operator has ended (${ended}): ${JSON.stringify(this.log)}`);
      return Promise.resolve(line() !== undefined);
    });
    return line()!.at;
  }

  /** Whether its webhook gives a pod the agent that asks for it now. */
  async isInjected(namespace: string): Promise<boolean> {
    return (await this.agentFor(namespace)) !== undefined;
  }

  /** Which agent its webhook gives a pod that asks for it now, as its annotation names it. */
  agentFor(namespace: string): Promise<string | undefined> {
    return this.annotated(namespace, 'tracing.acme/agent');
  }

  /** What its webhook makes of an annotation of a pod that asks for the agent now; undefined where it is left as it is. */
  async annotated(
    namespace: string,
    annotation: string,
    own: Record<string, string> = {},
  ): Promise<string | undefined> {
    const pod = {
      metadata: { name: 'asks', annotations: { 'tracing.acme/inject': 'true', ...own } },
      spec: { containers: [{ name: 'app', image: 'app:1' }] },
    };
    const kind = { group: '', version: 'v1', kind: 'Pod' };
    const review = {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      request: { uid: 'u', kind, namespace, operation: 'CREATE', object: pod },
    };
    // That its certificate is right is a matter of other tests.
    const request = https.request(`https://127.0.0.1:${this.webhookPort}/mutate`, {
      ...{ method: 'POST', rejectUnauthorized: false, agent: false },
      headers: { 'content-type': 'application/json' },
    });
    request.end(JSON.stringify(review));
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    const { patch = '' } = ((await json(response)) as { response: { patch?: string } }).response;
    const changes = JSON.parse(Buffer.from(patch, 'base64').toString() || '[]') as { path: string; value: unknown }[];
    const path = `/metadata/annotations/${annotation.replaceAll('/', '~1')}`;
    return changes.find((change) => change.path === path)?.value as string | undefined;
  }

  /** Reports as the agent of a pod would whose token this is; resolves to the status that answers. */
  async report(token: string, body: object): Promise<number | undefined> {
    const request = https.request(`https://127.0.0.1:${this.#reports}/reports`, {
      ...{ method: 'POST', rejectUnauthorized: false, agent: false },
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    });
    request.end(JSON.stringify(body));
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.resume();
    return response.statusCode;
  }

  /** Sum of a metric over those of its series whose labels contain this text. */
  async metric(name: string, labels = ''): Promise<number> {
    const text = await (await fetch(`${this.#probes}/metrics`)).text();
    return text
      .split('\n')
      .filter((line) => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(labels))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  kill(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  async end(): Promise<void> {
    const child = this.#process;
    if (child && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await this.relay.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
