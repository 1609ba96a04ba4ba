import { IMAGE_NODE_OPTIONS } from './names.ts';
import type { Container, Pod } from './pod.ts';

const PERMISSION = /(?:^|[\s"'=;])--(?:experimental-)?permission(?=$|[\s"';])/;
const GRANT = /--allow-fs-read[=\s]+["']?([^\s"';]+)/g;
/** `/var/run` is a link to `/run` in most images, and Node wants leave for the link, too. */
const NEEDED = ['/var/run/', '/run/'];
/** What an owner adds so that the agent can be read. */
export const GRANTS = '--allow-fs-read=/var/run/* --allow-fs-read=/run/*';

/**
 * Whether Node runs under its permission model in a container, and may not read the agent there: Node ends when it may
 * not read what `--require` names (seen on 20, and through a linked directory on 22 and 24). Leave cannot be added by us:
 * without `--permission`, Node ends because of `--allow-fs-read`, and NODE_OPTIONS goes to every Node in the container.
 * https://nodejs.org/api/permissions.html
 */
export function isAgentUnreadable({ command = [], args = [], env = [] }: Container, pod: Pod): boolean {
  const options = env.filter(({ name }) => name === 'NODE_OPTIONS').map(({ value = '' }) => value);
  const stated = options.length === 0 ? (pod.metadata?.annotations?.[IMAGE_NODE_OPTIONS] ?? '') : '';
  const words = [...options, stated, ...command, ...args].join(' ');
  if (!PERMISSION.test(words)) return false;
  const grants = [...words.matchAll(GRANT)].map(([, path]) => path!);
  return !NEEDED.every((directory) => grants.some((grant) => covers(grant, directory)));
}

/** Only `…*` grants a whole tree by its text; what else Node takes for one depends on what is on its disk. */
function covers(grant: string, directory: string): boolean {
  return grant.endsWith('*') && directory.startsWith(grant.slice(0, -1));
}
