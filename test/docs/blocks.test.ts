import { describe, expect, it } from '@jest/globals';
import { commandProblem, verbProblem } from './commands.ts';
import { manifestProblems } from './manifests.ts';
import { blocksOf, pages, textOf } from './pages.ts';
import { commandsOf, syntaxProblem, withoutHereDocuments } from './shell.ts';

const SHELL = new Set(['sh', 'bash', 'console']);
/** Stands for what is left out. */
const LEFT_OUT = /…|\.\.\.|\bVERB\b/;

describe('what pages tell people to type', () => {
  it.each(pages())('of %s is there to be typed', (page) => {
    const problems = blocksOf(page)
      .filter(({ language }) => SHELL.has(language))
      .flatMap(({ line, text }) => {
        const { script, documents } = withoutHereDocuments(text);
        return [
          ...[syntaxProblem(text)],
          ...commandsOf(script).map((words) => commandProblem(words, page)),
          ...documents.filter((document) => /^kind:/m.test(document)).flatMap(manifestProblems),
        ].flatMap((problem) => (problem === undefined || problem === '' ? [] : [`line ${line}: ${problem}`]));
      });
    expect(problems).toEqual([]);
  });

  it.each(pages())('of kubectl tracing in the text of %s is what it understands', (page) => {
    const inline = [...textOf(page).matchAll(/`(kubectl tracing [^`\n]+)`/g)].map(([, code]) => code!);
    const problems = inline
      .filter((code) => !LEFT_OUT.test(code))
      .flatMap((code) => commandsOf(code))
      // A verb alone is spoken of, not called.
      .flatMap(([, , ...args]) => verbProblem(args.length === 1 ? ['help', ...args] : args) ?? []);
    expect(problems).toEqual([]);
  });
});

describe('YAML that pages show', () => {
  it.each(pages())('of %s is what the API server takes', (page) => {
    const problems = blocksOf(page)
      .filter(({ language }) => language === 'yaml')
      .flatMap(({ line, text }) => manifestProblems(text).map((problem) => `line ${line}: ${problem}`));
    expect(problems).toEqual([]);
  });
});

describe('the checks themselves', () => {
  it.each([
    [['kubectl', 'tracing', 'explian', 'deployment/web'], /no verb explian/],
    [['kubectl', 'tracing', 'lint', '--file', 'a.yaml'], /unknown option/],
    [['make', 'demonstrate'], /no target/],
    [['node', 'test/nothing.ts'], /no test\/nothing\.ts/],
    [['npm', 'run', 'nothing'], /no script nothing/],
    [['helm', 'install', 'x', 'charts/tracing-operator', '--set', 'replica=2'], /no value replica/],
  ])('see what is wrong with %j', (words, problem) => expect(commandProblem(words, 'README.md')).toMatch(problem));

  it.each([
    ['spec: {sampling: {ratio: 1.5}}', /spec\.sampling\.ratio/],
    ['sampling: {ration: 0.5}', /ration/],
    ['replicas: 2\nreplica: 2', /neither a policy nor the chart has replica/],
    ['kind: Deployment\napiVersion: apps/v1', /Deployment has no name/],
    ['a: [', /./],
  ])('see what is wrong with %j', (text, problem) => expect(manifestProblems(text).join()).toMatch(problem));
});
