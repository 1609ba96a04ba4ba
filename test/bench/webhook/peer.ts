import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from '../../cluster/cache.ts';
import { goBuildModule } from '../../cluster/go.ts';

const MODULE = 'github.com/open-telemetry/opentelemetry-operator';
export const PEER_VERSION = 'v0.148.0';

/** A folder with opentelemetry-operator's program, `manager`, and its custom resource definitions, in `crds`. */
export function peerFolder(): Promise<string> {
  return cached({
    name: `opentelemetry-operator-${PEER_VERSION}`,
    recipe: [process.arch],
    title: `building opentelemetry-operator ${PEER_VERSION} from its Go module`,
    usually: '5 min on two cores, once',
    make: (dir, log) =>
      goBuildModule(
        `${MODULE}@${PEER_VERSION}`,
        { package: '.', output: join(dir, 'manager'), ldflags: '-s -w', log },
        (folder) => Promise.resolve(cpSync(join(folder, 'config/crd/bases'), join(dir, 'crds'), { recursive: true })),
      ),
  });
}

/** An Instrumentation as its own webhook completes it, which nobody calls here. */
export const INSTRUMENTATION = {
  exporter: { endpoint: 'http://collector.example:4318' },
  propagators: ['tracecontext', 'baggage'],
  sampler: { type: 'parentbased_traceidratio', argument: '0.1' },
  nodejs: {
    image: 'example.com/autoinstrumentation-nodejs:1',
    resourceRequirements: { requests: { cpu: '50m', memory: '128Mi' }, limits: { cpu: '500m', memory: '128Mi' } },
  },
};
