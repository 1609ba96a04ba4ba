import { readFileSync } from 'node:fs';
import { load } from 'js-yaml';
import * as z from 'zod';
import { defaultPolicySpec } from '../crds/tracing-policy.ts';

/** The operator's configuration file, which the chart writes from its values. */
const schema = z.strictObject({
  /** Namespace the operator runs in. */
  namespace: z.string().min(1),
  /** Lease in that namespace, by which replicas elect their leader. */
  lease: z.string().min(1),
  agent: z.strictObject({
    image: z.string().min(1),
    imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).default('IfNotPresent'),
    /** Names of Secrets of each pod's own namespace, with which that image is pulled. */
    imagePullSecrets: z.array(z.string().min(1)).default([]),
  }),
  webhook: z.strictObject({
    port: z.int().default(9443),
    /** Service in front of the webhook; its DNS names go into the certificate. */
    service: z.string().min(1),
    /** Name of the chart's MutatingWebhookConfiguration, and of a ClusterRole that is there as long as the chart is. */
    configuration: z.string().min(1),
    /** That configuration as the chart makes it, to put it back when it was deleted; and others of the chart's. */
    manifests: z.array(z.looseObject({ metadata: z.looseObject({ name: z.string().min(1) }) })).min(1),
    /** Folder with tls.crt, tls.key and ca.crt that somebody else keeps; left out, the operator makes its own. */
    certificateDirectory: z.string().min(1).optional(),
    /** Somebody else, such as cert-manager's injector, writes the CA bundle into the configurations. */
    bundleIsForeign: z.boolean().default(false),
    /** The only namespaces whose pods are looked at; empty: all but the excluded. */
    namespaces: z.array(z.string().min(1)).default([]),
    /** Namespaces whose pods are never looked at. */
    excludedNamespaces: z.array(z.string().min(1)).default(['kube-system']),
    /** Secret that holds the authority and the certificate. */
    secret: z.string().min(1),
  }),
  reports: z.strictObject({
    port: z.int().default(9444),
    /** Port of the Service in front of it. */
    servicePort: z.int().default(8443),
    /** DNS name of every replica. */
    peers: z.string().min(1),
    /** File with a token of our own, for the audience of reports. */
    token: z.string().min(1),
    /** Our own ServiceAccount. */
    serviceAccount: z.string().min(1),
  }),
  /** The coverage page; left out, there is none. */
  page: z.strictObject({ port: z.int().default(9445) }).optional(),
  /** Whether it may patch workloads: annotations of ours on them and on their pod templates. */
  changeWorkloads: z.boolean().default(true),
  /** Where other systems keep what is read of them. */
  integrations: z
    .strictObject({
      istio: z
        .strictObject({
          namespace: z.string().min(1).default('istio-system'),
          /** Of istiod, besides the default one. */
          revisions: z.array(z.string().min(1)).default([]),
        })
        .prefault({}),
      linkerd: z
        .strictObject({
          namespace: z.string().min(1).default('linkerd'),
          annotateNamespaces: z.boolean().default(false),
        })
        .prefault({}),
      kong: z
        .strictObject({ enabled: z.boolean().default(false), samplingStrategy: z.boolean().default(false) })
        .prefault({}),
      ingressNginx: z
        .strictObject({
          enabled: z.boolean().default(false),
          namespace: z.string().min(1).default('ingress-nginx'),
          configMap: z.string().min(1).default('ingress-nginx-controller'),
        })
        .prefault({}),
    })
    .prefault({}),
  /** Port of /healthz, /readyz and /metrics. */
  probePort: z.int().default(8080),
  defaultPolicy: defaultPolicySpec.default({}),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
});

export type Config = z.infer<typeof schema>;

/**
 * Reads and checks the configuration file (YAML or JSON).
 * @throws Error that names the file, each wrong field and what is allowed there.
 */
export function readConfig(file: string): Config {
  const result = schema.safeParse(load(readFileSync(file, 'utf8')));
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => `  ${issue.path.join('.') || '(top)'}: ${issue.message}`);
  // Its chart writes it, and refuses other values itself.
  if (result.error.issues.some(({ code }) => code === 'unrecognized_keys'))
    lines.push(
      "This image may be older than the chart that wrote the file: leave image.tag out, or set it to the chart's version.",
    );
  throw new Error(`${file} is not a valid configuration:\n${lines.join('\n')}`);
}
