/**
 * The way back out. Commands that run inside the cluster's network reach nothing else; what has to be fetched from a
 * package registry is fetched in the network of the process that started them.
 */
const VARIABLE = 'TRACING_OUTSIDE_NETWORK';

/** Tells commands that are started inside where the network outside is: that of this process, unless it is inside itself. */
export function outsideEnvironment(): NodeJS.ProcessEnv {
  if (process.platform !== 'linux') return {};
  return { [VARIABLE]: process.env[VARIABLE] ?? `/proc/${process.pid}/ns/net` };
}

/** A command as it has to be spawned to reach the registries, wherever this process runs. */
export function outside(command: string, args: readonly string[]): [string, string[]] {
  const network = process.env[VARIABLE];
  return network === undefined ? [command, [...args]] : ['nsenter', [`--net=${network}`, command, ...args]];
}
