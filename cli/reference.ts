import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { program } from './program.ts';

const PAGE = new URL('../docs/reference/cli.md', import.meta.url);
/** A block with what a verb's help says, and the verb. */
const BLOCK = /(```text\n\$ kubectl tracing ([a-z]+) --help\n)[^`]*```/g;

/** What a terminal of 80 columns shows. */
function helpOf(command: Command): string {
  let text = '';
  command
    .configureHelp({ ...command.configureHelp(), helpWidth: 80 })
    .configureOutput({ writeOut: (part) => (text += part), getOutHasColors: () => false });
  command.outputHelp();
  return text;
}

/** docs/reference/cli.md with each block as the help of its verb is now, and the verbs that have none. */
export function reference(): { page: string; text: string; missing: string[] } {
  const page = readFileSync(PAGE, 'utf8');
  const missing = new Set(program(() => {}).commands.map((each) => each.name()));
  const text = page.replace(BLOCK, (block: string, head: string, name: string) => {
    const verb = program(() => {}).commands.find((each) => each.name() === name);
    missing.delete(name);
    return verb ? `${head}${helpOf(verb)}\`\`\`` : block;
  });
  return { page, text, missing: [...missing] };
}

if (import.meta.main) writeFileSync(PAGE, reference().text);
