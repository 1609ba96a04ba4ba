import { readFileSync } from 'node:fs';
import type * as Https from 'node:https';
import { serializeReport, type ReportBody } from './report-body.ts';
import type { PolicyState } from './settings.ts';

export interface ReporterServices {
  /** The policy directory: `token` is in it, and where to report. */
  directory: string;
  body: () => ReportBody;
  requireHttps: () => typeof Https;
  /** Runs work whose requests are not traced. */
  untraced: <T>(work: () => T) => T;
}

/** Long enough after the start for short-lived processes to be over, and for the app to have the start to itself. */
const FIRST_MILLIS = 5_000;
const CHANGE_MILLIS = 500;
/** For what all pods may notice at once, such as a collector that is down, and may change again soon. */
const NOTICE_MILLIS = 10_000;
const INTERVAL_MILLIS = 120_000;
const LEAST_SECONDS = 5;
const TIMEOUT_MILLIS = 5_000;

/**
 * Tells the operator which policy is in force here: some seconds after the start, soon after a change, and every two
 * minutes. It is for the operator's status alone: whatever goes wrong is nobody's concern in this process, nothing is
 * tried again before its time, and no timer or socket keeps the process alive.
 */
export class Reporter {
  private readonly services: ReporterServices;
  private timer: NodeJS.Timeout | undefined;
  private due = 0;
  private started = false;
  private interval = INTERVAL_MILLIS;

  constructor(services: ReporterServices) {
    this.services = services;
  }

  start(policy: PolicyState | undefined): void {
    this.watch(policy);
    this.started = true;
    this.plan(FIRST_MILLIS);
  }

  /** Another policy is in force, or none: status waits for it. */
  changed(policy?: PolicyState): void {
    this.watch(policy);
    if (this.started) this.plan(CHANGE_MILLIS);
  }

  /** Something else that status shows has changed. However often it does, there are seconds between two reports. */
  noticed(): void {
    if (this.started && this.due - Date.now() > 2 * NOTICE_MILLIS) this.plan(NOTICE_MILLIS);
  }

  /** While somebody watches, it reports more often. */
  private watch(policy: PolicyState | undefined): void {
    const seconds = policy?.kind === 'policy' ? policy.spec.reportSeconds : undefined;
    this.interval = typeof seconds === 'number' && seconds >= LEAST_SECONDS ? seconds * 1000 : INTERVAL_MILLIS;
  }

  /** All pods of a node learn of a change at the same time: each waits for a while of its own. */
  private plan(millis: number): void {
    clearTimeout(this.timer);
    const delay = millis * (0.9 + Math.random() * (millis === this.interval ? 0.2 : 1));
    this.due = Date.now() + delay;
    this.timer = setTimeout(() => {
      this.plan(this.interval);
      try {
        this.services.untraced(() => this.send());
      } catch {
        // No token, no address yet, or a file in the making: the next time will tell.
      }
    }, delay);
    this.timer.unref();
  }

  /** From the ConfigMap, which follows a renewed authority; as it was at admission until that is there. */
  private operator(directory: string): { url: string; ca: string } {
    const read = (name: string) =>
      JSON.parse(readFileSync(`${directory}/${name}`, 'utf8')) as { url: string; ca: string };
    try {
      return read('operator.json');
    } catch {
      return read('pod/operator');
    }
  }

  private send(): void {
    const { directory } = this.services;
    const { url, ca } = this.operator(directory);
    const token = readFileSync(`${directory}/token`, 'utf8').trim();
    const body = serializeReport(this.services.body());
    const request = this.services.requireHttps().request(
      url,
      {
        method: 'POST',
        ca,
        agent: false,
        timeout: TIMEOUT_MILLIS,
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
      },
      (response) => response.resume(),
    );
    request.on('socket', (socket) => socket.unref());
    request.on('timeout', () => request.destroy());
    request.on('error', () => {});
    request.end(body);
  }
}
