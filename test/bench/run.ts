// `make bench`: every figure of the project, one part after another. `--help` says more.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { announce, formatDuration } from '../cluster/progress.ts';
import { readResults } from './results.ts';
import { table } from './table.ts';

const HELP = `Measures what the project costs and how fast it acts, each figure beside a reference taken in the same run, into
test/bench/results.json. Nothing is asserted about time. Needs dist/ (make build). A busy machine gives other figures:
the ratios suffer least.

Usage:
  node test/bench/run.ts [--only PART[,PART…]]

Parts, in order:
`;

const EXAMPLES = `
Each part is a program with options of its own (--help).

Examples:
  make bench
  node test/bench/run.ts --only order
  node test/bench/run.ts --only agent,live
  node test/bench/order.ts --runs 40
`;

interface Part {
  name: string;
  what: string;
  usually: string;
  /** The names of its figures. */
  figures: RegExp;
}

const PARTS: readonly Part[] = [
  {
    name: 'agent',
    what: 'start-up, memory, CPU and size of the agent in small programs',
    usually: '15 min',
    figures: /^agent\.(?!\w+\.order\b)/,
  },
  {
    name: 'order',
    what: "start-up and memory of the shop's order service",
    usually: '2 min',
    figures: /^agent\.\w+\.order\b/,
  },
  {
    name: 'live',
    what: 'seconds until a changed sampling ratio is in force in running pods, on a real cluster',
    usually: '5 min',
    figures: /^live\./,
  },
  {
    name: 'operator',
    what: 'the operator in a cluster of 1,000 namespaces and 10,000 pods',
    usually: '10 min',
    figures: /^operator\./,
  },
  {
    name: 'webhook',
    what: "a review's cost beside opentelemetry-operator's webhook, and what it adds to the creation of a pod",
    usually: '6 min',
    figures: /^webhook\./,
  },
];

let interrupted = false;

/** Runs a part to its end. Ctrl-C reaches it as well as us; it may have something to clean up. */
async function succeeds(part: string): Promise<boolean> {
  const child = spawn(process.execPath, [join(import.meta.dirname, `${part}.ts`)], { stdio: 'inherit' });
  const stop = (signal: NodeJS.Signals) => {
    interrupted = true;
    if (signal !== 'SIGINT') child.kill(signal);
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject).once('exit', (code) => resolve(code === 0));
    });
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: 'string' }, help: { type: 'boolean', default: false } } });
  const all = PARTS.map(({ name }) => name);
  const wanted = values.only?.split(',') ?? all;
  const unknown = wanted.filter((name) => !all.includes(name));
  if (values.help || unknown.length > 0) {
    const parts = PARTS.map(({ name, what, usually }) => `  ${name.padEnd(8)}${what} (usually ${usually})\n`).join('');
    process.stdout.write(
      `${unknown.length > 0 ? `no such part: ${unknown.join(', ')}\n\n` : ''}${HELP}${parts}${EXAMPLES}`,
    );
    return unknown.length > 0 ? 2 : 0;
  }
  const parts = PARTS.filter(({ name }) => wanted.includes(name));
  const failed: Part[] = [];
  const measured: Part[] = [];
  for (const [index, part] of parts.entries()) {
    if (interrupted) break;
    announce(`\n[${index + 1}/${parts.length}] ${part.name}: ${part.what} (usually ${part.usually})`);
    const began = performance.now();
    const good = await succeeds(part.name);
    (good ? measured : failed).push(part);
    announce(
      `[${index + 1}/${parts.length}] ${good ? 'done' : 'failed'} after ${formatDuration(performance.now() - began)}`,
    );
  }
  const results = readResults().filter(({ name }) => measured.some(({ figures }) => figures.test(name)));
  process.stdout.write(`\n${table(results)}`);
  if (failed.length > 0) announce(`\nfailed: ${failed.map(({ name }) => name).join(', ')}`);
  return failed.length > 0 || interrupted ? 1 : 0;
}

process.exitCode = await main();
