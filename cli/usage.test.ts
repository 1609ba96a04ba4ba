import type { CommanderError } from 'commander';
import { describe, expect, it } from '@jest/globals';
import { program } from './program.ts';
import { usageProblem } from './usage.ts';
import type { Verb } from './verb/verb.ts';

describe('what is wrong with how a verb was called', () => {
  const said = (line: string): string => {
    const words = line.split(' ');
    const root = program(() => undefined);
    try {
      root.parse(words, { from: 'user' });
    } catch (error) {
      return usageProblem(error as CommanderError, root.commands.find((each) => each.name() === words[0]) as Verb);
    }
    return 'nothing';
  };

  it.each([
    [
      'completion',
      'PROGRAM is missing: one of kubectl, bash, zsh, fish, e.g. source <(kubectl tracing completion bash). Options and examples: kubectl tracing completion --help',
    ],
    [
      'completion tcsh',
      'PROGRAM has to be one of kubectl, bash, zsh, fish, not tcsh. E.g. source <(kubectl tracing completion bash). Options and examples: kubectl tracing completion --help',
    ],
    ['gateway ngnix', /^PROXY has to be one of nginx, envoy, not ngnix\. E\.g\. kubectl tracing gateway nginx -f /],
    ['explain', /^WORKLOAD is missing: KIND\/NAME, .*, e\.g\. kubectl tracing explain deployment\/web\. Options/],
    ['run', /^COMMAND is missing: a program and .*, e\.g\. kubectl tracing run -- node app\.js\. Options/],
    [
      "status -o it's",
      /^--output has to be one of table, json, yaml, not it's\. E\.g\. kubectl tracing status\. Options/,
    ],
    ['inject -f', /^--filename is given without its FILE, e\.g\. kubectl tracing inject -f web\.yaml /],
    [
      'status --all-namespace',
      /^unknown option '--all-namespace'\. Did you mean --all-namespaces\? Options and examples: kubectl tracing status --help$/,
    ],
    ['status web', /^too many arguments for 'status'\. Expected 0 arguments but got 1\. Options/],
  ])('%s', (line, expected) => {
    if (typeof expected === 'string') expect(said(line)).toBe(expected);
    else expect(said(line)).toMatch(expected);
  });
});
