import type { DefaultPolicy } from '../injector/resolve.ts';

/** Of chart, images and `kubectl tracing`; a test compares. */
export const VERSION = '0.1.0';

/** What the chart's values say where nobody changed them; a test compares. */
export const CHART: { agentImage: string; agentImagePullPolicy: string; defaultPolicy: DefaultPolicy } = {
  agentImage: `tracing-acme/agent:${VERSION}`,
  agentImagePullPolicy: 'IfNotPresent',
  defaultPolicy: {
    sampling: { ratio: 1, rules: [{ paths: ['/healthz', '/readyz', '/livez', '/metrics'], drop: true }] },
  },
};
