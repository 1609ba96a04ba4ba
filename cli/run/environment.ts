import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';

const SCRIPT = /\.[cm]?[jt]s$/;

/** What the webhook puts into a container's environment, for a process of this machine. */
export function tracedEnvironment(
  env: NodeJS.ProcessEnv,
  { agent, policyDirectory, service }: { agent: string; policyDirectory: string; service: string },
): NodeJS.ProcessEnv {
  const own = env['NODE_OPTIONS'];
  const flag = `--require ${quoted(join(agent, 'register.cjs'))}`;
  return {
    ...env,
    NODE_OPTIONS: own ? `${flag} ${own}` : flag,
    TRACING_ACME_POLICY_DIR: policyDirectory,
    TRACING_ACME_RESOURCE: `service.name=${encodeURIComponent(service)}`,
  };
}

/**
 * How a command's service is called, unless OTEL_SERVICE_NAME says: as the package that its script is in, or else as its
 * directory.
 */
export function serviceName(command: readonly string[], directory: string): string {
  const script = command.slice(1).find((word) => SCRIPT.test(word) && isFile(resolve(directory, word)));
  const start = script === undefined ? directory : dirname(resolve(directory, script));
  for (let at = start; ; at = dirname(at)) {
    const name = packageName(join(at, 'package.json'));
    if (name !== undefined) return name;
    if (at === dirname(at)) break;
  }
  return script === undefined ? basename(directory) || 'app' : basename(script, extname(script));
}

function packageName(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const { name } = JSON.parse(readFileSync(file, 'utf8')) as { name?: unknown };
    return typeof name === 'string' && name !== '' ? name : undefined;
  } catch {
    // Whoever runs the command hears of it from npm.
    return undefined;
  }
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** A word of NODE_OPTIONS: https://nodejs.org/api/cli.html#node_optionsoptions */
function quoted(path: string): string {
  return /[\s"\\]/.test(path) ? `"${path.replace(/["\\]/g, '\\$&')}"` : path;
}
