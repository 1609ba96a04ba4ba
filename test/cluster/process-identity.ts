import { readFileSync } from 'node:fs';

/**
 * What tells one process from another that got the same number later: the time it was started, in clock ticks since
 * boot, and the boot.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly started: string;
  readonly boot: string;
}

/** The start time in a line of /proc/PID/stat. The command name before it may hold spaces and parentheses. */
export function startTimeOf(stat: string): string | undefined {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

/** Who the process with this number is now, or undefined where there is none or it is a zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    if (stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')) return undefined;
    const started = startTimeOf(stat);
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return started === undefined ? undefined : { pid, started, boot };
  } catch {
    return process.platform === 'linux' ? undefined : identifyBySignal(pid);
  }
}

/** Where there is no /proc the number alone has to do; only locks are kept there, and they can be lost without harm. */
function identifyBySignal(pid: number): ProcessIdentity | undefined {
  try {
    process.kill(pid, 0);
    return { pid, started: 'unknown', boot: 'unknown' };
  } catch {
    return undefined;
  }
}

/** Whether the process that was written down is still there, and is still the same one. */
export function isAlive(identity: ProcessIdentity, now: typeof identify = identify): boolean {
  const found = now(identity.pid);
  return found !== undefined && found.started === identity.started && found.boot === identity.boot;
}

/** Reads what `JSON.stringify(identity)` wrote; undefined for anything else. */
export function parseIdentity(text: string): ProcessIdentity | undefined {
  try {
    const value = JSON.parse(text) as Partial<ProcessIdentity> | null;
    if (typeof value?.pid !== 'number' || typeof value.started !== 'string' || typeof value.boot !== 'string')
      return undefined;
    return { pid: value.pid, started: value.started, boot: value.boot };
  } catch {
    return undefined;
  }
}
