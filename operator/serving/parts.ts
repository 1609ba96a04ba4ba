import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import type { OwnerReference } from '../installation.ts';
import type { KubeClient } from '../kube/client.ts';
import { certificateMetrics, queueMetrics } from '../metrics.ts';
import { CertificateKeeper } from './certificate.ts';
import { ServingController } from './controller.ts';
import { MountedCertificate } from './mounted-certificate.ts';
import { CONFIGURATIONS, WebhookConfigurationKeeper } from './webhook-configuration.ts';

interface Options {
  owners: () => OwnerReference[];
  /** A webhook configuration or the certificate's Secret has changed. */
  onChange: () => void;
  onAuthorities: () => void;
  logger: Logger;
}

/** What serves under a certificate, and has the API server trust it: the operator's own, or that of a mounted folder. */
export function serving(client: KubeClient, { namespace, webhook }: Config, options: Options): ServingController {
  const { owners, onChange, onAuthorities, logger } = options;
  const { certificateDirectory } = webhook;
  return new ServingController({
    client,
    source:
      certificateDirectory === undefined
        ? new CertificateKeeper(client, { namespace, ...webhook, owners, logger })
        : new MountedCertificate(certificateDirectory),
    configurations: webhook.manifests.map(
      (manifest) =>
        new WebhookConfigurationKeeper(client, {
          manifest,
          owner: webhook.configuration,
          bundleIsForeign: webhook.bundleIsForeign,
          logger,
        }),
    ),
    watched: [
      ...webhook.manifests.map(({ metadata }) => ({ path: CONFIGURATIONS, name: metadata.name })),
      { path: CONFIGURATIONS, name: `${webhook.configuration}-policies` },
      ...(certificateDirectory === undefined
        ? [{ path: `/api/v1/namespaces/${namespace}/secrets`, name: webhook.secret }]
        : []),
    ],
    onChange,
    onAuthorities,
    metrics: certificateMetrics,
    observer: queueMetrics('serving'),
    logger,
    now: Date.now,
  });
}
