import { spawnSync } from 'node:child_process';

/** A command of a shell script: its words, without what they are redirected to. */
export type Words = string[];

/** Whether bash can read a script; else what it says. */
export function syntaxProblem(script: string): string | undefined {
  const { status, stderr } = spawnSync('bash', ['-n'], { input: script, encoding: 'utf8' });
  return status === 0 ? undefined : stderr.trim();
}

/** Texts that a script hands to commands by `<<EOF`, with the rest of the script. */
export function withoutHereDocuments(script: string): { script: string; documents: string[] } {
  const documents: string[] = [];
  const rest = script.replaceAll(
    /<<-?\s*'?(\w+)'?([^\n]*)\n([\s\S]*?)^\s*\1$/gm,
    (_all, _end, line: string, text: string) => {
      documents.push(text);
      return line;
    },
  );
  return { script: rest, documents };
}

/** The simple commands of a script, in order: of lists, pipes, loops and substitutions too. */
export function commandsOf(script: string): Words[] {
  const commands: Words[] = [];
  let words: Words = [];
  let word: string | undefined;
  const endWord = () => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  const endCommand = () => {
    endWord();
    // Assignments before a command, and what introduces one in a loop.
    while (/^(\w+=.*|do|then|else|!|time|nice|sudo)$/s.test(words[0] ?? '')) words.shift();
    if (words.length > 0) commands.push(words);
    words = [];
  };
  const text = script.replaceAll('\\\n', ' ');
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === "'" || char === '"') {
      const end = closing(text, at);
      const inside = text.slice(at + 1, end);
      word = (word ?? '') + inside;
      if (char === '"') for (const [, inner] of inside.matchAll(/\$\((.*?)\)/gs)) commands.push(...commandsOf(inner!));
      at = end;
    } else if (char === '$' && text[at + 1] === '(') {
      const end = text.indexOf(')', at);
      commands.push(...commandsOf(text.slice(at + 2, end)));
      word = `${word ?? ''}$()`;
      at = end;
    } else if (char === '#' && word === undefined) at = (text.indexOf('\n', at) + 1 || text.length + 1) - 2;
    else if (/[;&|\n()]/.test(char) && !(char === '&' && text[at - 1] === '>')) endCommand();
    else if (/[<>]/.test(char)) {
      if (/^\d$/.test(word ?? '')) word = undefined;
      endWord();
      const skipped = /^[<>&]+\s*[^\s;|&]*/.exec(text.slice(at))![0];
      at += skipped.length - 1;
    } else if (/\s/.test(char)) endWord();
    else if (char === '\\') word = (word ?? '') + (text[++at] ?? '');
    else word = (word ?? '') + char;
  }
  endCommand();
  return commands;
}

function closing(text: string, open: number): number {
  for (let at = open + 1; at < text.length; at++) {
    if (text[at] === '\\' && text[open] === '"') at += 1;
    else if (text[at] === text[open]) return at;
  }
  return text.length;
}
