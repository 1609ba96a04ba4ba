import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** `kubectl tracing ui`, as a process, with its link opened. */
export interface TracingUi {
  origin: string;
  /** As the page has it from the link, for the header of its requests. */
  authorization: string;
  end(): Promise<void>;
}

/** @param program that is kubectl-tracing. */
export async function tracingUi(program: string, env: NodeJS.ProcessEnv): Promise<TracingUi> {
  const child = spawn(process.execPath, [program, 'ui', '--no-open'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [line] = (await Promise.race([
    once(child.stdout.setEncoding('utf8'), 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error(`kubectl tracing ui has ended: ${said}`))),
  ])) as [string];
  const { origin, hash } = new URL(line.trim());
  const headers = { authorization: `Bearer ${hash.replace('#open=', '')}` };
  const session = await (await fetch(`${origin}/open`, { headers })).text();
  const end = async () => {
    child.kill('SIGINT');
    await once(child, 'exit');
  };
  return { origin, authorization: `Bearer ${session}`, end };
}
