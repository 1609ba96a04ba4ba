import type { Config } from '../config.ts';
import { ingressNginx } from '../gateway/ingress-nginx.ts';
import { kong } from '../gateway/kong.ts';
import { istio } from '../mesh/istio.ts';
import { linkerd } from '../mesh/linkerd.ts';
import type { System } from './system.ts';

/** All that is configured beside the apps, in the order of the status. */
export function systems(options: Config['integrations']): System[] {
  return [istio(options.istio), linkerd(options.linkerd), kong(options.kong), ingressNginx(options.ingressNginx)];
}
