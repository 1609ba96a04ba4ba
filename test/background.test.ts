import { readFileSync, rmSync } from 'node:fs';
import { getPriority } from 'node:os';
import { dirname } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Background } from './background.ts';

const NICE = { niceness: 15 };
const program = (text: string) => ['--eval', text];

/** What the process of `a thing` said before it failed, and where that is kept. */
async function failure(background: Background): Promise<string[]> {
  const message = await background.done().then(
    () => '',
    (error: unknown) => (error as Error).message,
  );
  return /^a thing could not be made\n([^]*)\nkept in (.+)$/.exec(message) ?? [];
}

describe('work in the background', () => {
  it('is done when its process has ended, with a lower priority than ours', async () => {
    const expected = getPriority() < 5 ? `os.getPriority() > ${getPriority()}` : 'true';
    await new Background('a thing', program(`process.exit(${expected} ? 0 : 1)`), NICE).done();
  });

  it('fails with all that the process said, which is kept', async () => {
    const failing = new Background(
      'a thing',
      program("console.log('first'); console.error('last'); process.exit(3)"),
      NICE,
    );
    const [, said, log = ''] = await failure(failing);
    expect(said).toBe('first\nlast');
    expect(readFileSync(log, 'utf8')).toBe('first\nlast\n');
    rmSync(dirname(log), { recursive: true });
  });

  it('begins after another, and fails with it', async () => {
    const started = Date.now();
    const first = new Background('a thing', program("console.log('no'); setTimeout(() => process.exit(1), 300)"), NICE);
    const second = new Background('another', program('process.exit(0)'), { ...NICE, after: first });
    const [, said, log = ''] = await failure(second);
    expect(said).toBe('no');
    expect(Date.now() - started).toBeGreaterThanOrEqual(300);
    rmSync(dirname(log), { recursive: true });
  });
});
