import { expect, it } from '@jest/globals';
import { commandsOf, withoutHereDocuments } from './shell.ts';

it.each([
  ['kubectl get pods -A   # all', [['kubectl', 'get', 'pods', '-A']]],
  ['helm install x y \\\n  --set a=b', [['helm', 'install', 'x', 'y', '--set', 'a=b']]],
  [
    "kubectl get pod -o jsonpath='{.a}' | sort > out 2>&1",
    [['kubectl', 'get', 'pod', '-o', 'jsonpath={.a}'], ['sort']],
  ],
  [
    'A=1 make demo && make demo-down',
    [
      ['make', 'demo'],
      ['make', 'demo-down'],
    ],
  ],
  [
    'for a in b c; do kubectl apply -f $a; done',
    [['for', 'a', 'in', 'b', 'c'], ['kubectl', 'apply', '-f', '$a'], ['done']],
  ],
  ['ln -s "$PWD/x" /usr', [['ln', '-s', '$PWD/x', '/usr']]],
  [
    'kill $(cat "pid file")',
    [
      ['cat', 'pid file'],
      ['kill', '$()'],
    ],
  ],
  ['# nothing\n\nls', [['ls']]],
])('commands of %j', (script, commands) => expect(commandsOf(script)).toEqual(commands));

it('takes documents out of a script', () => {
  expect(withoutHereDocuments('kubectl apply -f - <<EOF\nkind: A\nEOF\nls\n')).toEqual({
    script: 'kubectl apply -f - \nls\n',
    documents: ['kind: A\n'],
  });
});
