import { existsSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import { describeDocument } from './local-policy.ts';

/** Milliseconds in which an editor writes a file, or puts another in its place. */
const SETTLES = 100;

export interface Following {
  file: string;
  /** How the file is called in messages. */
  shown: string;
  read: () => PolicyDocument;
  /** Puts a policy in force. */
  take: (document: PolicyDocument) => void;
  say: (text: string) => void;
  signal: AbortSignal;
}

/** Has somebody follow the policy in a file: what is wrong with it is said, and the policy before stays in force. */
export function followPolicy({ file, shown, read, take, say, signal }: Following, first: PolicyDocument): void {
  let { revision } = first;
  let waiting = false;
  const look = async (): Promise<void> => {
    await sleep(SETTLES);
    waiting = false;
    if (signal.aborted) return;
    if (!existsSync(file)) return say(`${shown} is gone; the policy before stays in force`);
    try {
      const document = read();
      if (document.revision === revision) return;
      take(document);
      revision = document.revision;
      say(`${describeDocument(document)}: in force within a second`);
    } catch (error) {
      say(`${error instanceof Error ? error.message : String(error)}\nthe policy before stays in force`);
    }
  };
  // Of the directory, as editors put another file in the place of one.
  const watcher = watch(dirname(file), { signal }, (_, name) => {
    if (name !== basename(file) || waiting) return;
    waiting = true;
    void look();
  });
  watcher.on('error', (error) => say(`${shown} cannot be watched any more: ${error.message}`));
}
