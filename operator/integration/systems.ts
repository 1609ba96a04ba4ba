import type { Config } from '../config.ts';
import { istio } from '../mesh/istio.ts';
import type { System } from './system.ts';

/** All that is configured beside the apps, in the order of the status. */
export function systems({ istio: options }: Config['integrations']): System[] {
  return [istio(options)];
}
