import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PolicyDocument } from '../../injector/policy-document.ts';

/** Whatever the policy is called: then a change is one file. */
const KEY = 'policy.json';

/** What is mounted into a pod (injector/agent/policy.ts), as a temporary directory of this machine. */
export class PolicyDirectory {
  readonly path = mkdtempSync(join(tmpdir(), 'kubectl-tracing-'));

  constructor(document: PolicyDocument) {
    this.follow(document);
    mkdirSync(join(this.path, 'pod'));
    writeFileSync(join(this.path, 'pod/key'), KEY);
    forgetReads(join(this.path, 'pod/key'));
  }

  /**
   * Whether a process has read which policy is in force, as each does that the agent is in; undefined where the file system does
   * not keep when files were read (noatime).
   */
  get wasRead(): boolean | undefined {
    if (isRead(join(this.path, 'pod/key'))) return true;
    const probe = join(this.path, 'probe');
    writeFileSync(probe, KEY);
    forgetReads(probe);
    readFileSync(probe);
    return isRead(probe) ? false : undefined;
  }

  /** Puts a policy in force. */
  follow(document: PolicyDocument): void {
    const file = join(this.path, KEY);
    writeFileSync(`${file}.new`, JSON.stringify({ ...document, key: KEY }));
    renameSync(`${file}.new`, file);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** As though nobody had read it: then the next reading is kept also where file systems keep one a day (relatime). */
function forgetReads(file: string): void {
  utimesSync(file, 0, new Date());
}

function isRead(file: string): boolean {
  return statSync(file).atimeMs > 0;
}
