import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
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
