import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { InputError } from '../input-error.ts';

const ENTRY = 'register.cjs';

/**
 * The agent's directory: the one that was given, or `agent` beside this program, as `make build` leaves them.
 * @throws InputError where there is none.
 */
export function agentDirectory(given: string | undefined, program: string): string {
  if (given !== undefined) {
    const directory = resolve(given);
    if (existsSync(join(directory, ENTRY))) return directory;
    throw new InputError(`--agent ${given}: there is no ${ENTRY} in it. make build leaves the agent in dist/agent`);
  }
  // What is on PATH may be a link.
  const directory = join(dirname(realpathSync(program)), 'agent');
  if (existsSync(join(directory, ENTRY))) return directory;
  throw new InputError(
    `there is no agent in ${directory}. make build leaves it in dist/agent: say where that is, e.g. --agent ./dist/agent, or have the plug-in on PATH as a link, e.g. ln -sf "$PWD/dist/kubectl-tracing" /usr/local/bin/`,
  );
}
