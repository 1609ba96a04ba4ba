// The webhook without a cluster, as a process of its own: tells its parent where it listens and, when asked, its memory.
import { pino } from 'pino';
import { admit } from '../../webhook/admit.ts';
import { issue } from '../../webhook/certificates.ts';
import { app } from '../../webhook/server.ts';
import { serve } from '../../webhook/tls-server.ts';

const certificate = await issue(['localhost'], Date.now());
const { port } = await serve(
  app({
    admit: (request, entry) =>
      admit(request, entry, {
        policies: () => ({ namespaced: [], cluster: [], defaults: {} }),
        namespaceLabels: () => ({}),
        namespaceAnnotations: () => ({}),
        whyNoAgent: () => undefined,
        whyRolledBack: () => undefined,
        isCanary: () => false,
        meshes: () => ({}),
        options: {
          agentImage: 'agent:test',
          agentImagePullPolicy: 'IfNotPresent',
          reporting: { url: 'https://operator/reports', ca: certificate.ca },
        },
      }),
    metrics: { request: () => () => {}, decision() {}, failure() {} },
    logger: pino({ level: 'silent' }),
  }),
  { port: 0, host: '127.0.0.1', certificate },
);
process.on('message', () => {
  globalThis.gc?.();
  process.send?.({ resident: process.memoryUsage.rss() });
});
process.on('disconnect', () => process.exit());
process.send?.({ port, ca: certificate.ca });
