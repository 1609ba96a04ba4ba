import type { Restart } from './restart.ts';

const AT = '2026-01-01T00:00:00Z';

/** For tests: what is remembered of the StatefulSet `web`, whose pods crashed with the agent. */
export function rolledBack(message: string): Restart {
  return {
    ...{ kind: 'StatefulSet', name: 'web', policy: 'p', mark: 'm', template: 't', phase: 'RolledBack' },
    ...{ at: AT, value: AT, generation: 1, threshold: 2, message },
  };
}
