import { expect, it } from '@jest/globals';
import { explain } from './explanation.ts';
import type { Facts, LivePod } from './facts.ts';
import { facts as sampleFacts, pod, policy } from './sample-facts.ts';

/** A StatefulSet that the webhook has copied the annotation of, in a cluster from which the operator has gone. */
function facts(pods: LivePod[], annotations: Record<string, string>, template: Record<string, string>): Facts {
  const status = {
    workloads: [{ namespace: 'shop', kind: 'StatefulSet', name: 'web', pods: 1, reason: 'Missing' as const }],
  };
  const given = sampleFacts({ namespaced: [policy('default', {}, status)], installation: 'absent', pods }, template);
  given.workload.metadata.annotations = annotations;
  return given;
}
const ASKS = { 'tracing.acme/inject': 'true' };
const COPIED = { ...ASKS, 'tracing.acme/inject-from-workload': 'true', other: 'stays' };

it('says what is left of a workload, and the one command that removes it, and nothing of restarts that would inject', () => {
  const { problems, sections, wishes } = explain(facts([pod('web-0')], ASKS, COPIED));
  expect(problems).toEqual([
    {
      link: 'operator',
      text: 'the operator is not installed: no pod gets the agent, and no policy is delivered',
      next: 'helm list -A',
    },
    {
      text: 'left over, and of no effect now: tracing.acme/inject on the StatefulSet; tracing.acme/inject, tracing.acme/inject-from-workload on its pod template',
      next: `kubectl -n shop patch statefulset/web --type merge -p '{"metadata":{"annotations":{"tracing.acme/inject":null}},"spec":{"template":{"metadata":{"annotations":{"tracing.acme/inject":null,"tracing.acme/inject-from-workload":null}}}}}'`,
    },
  ]);
  const said = new Map(sections.map(({ title, lines }) => [title, lines]));
  expect(said.get('Containers')).toEqual(['app: starts without the agent']);
  expect(said.get('Policy')).toEqual(['none: nobody delivers one']);
  expect([...said.keys()]).not.toContain('Agents say');
  expect(wishes).toEqual([]);
});

it('says that pods run on with the agent, and how they are rid of it where nothing asks for it any more', () => {
  const traced = facts([pod('web-0', { injected: true })], {}, {});
  expect(explain(traced).problems.slice(1)).toEqual([
    {
      text: 'left over: 1 of its pods runs on with the agent, under the last policy that was told',
      next: 'kubectl -n shop rollout restart statefulset/web',
    },
  ]);
  const labeled = { ...facts([], {}, {}), namespaceLabels: { 'tracing.acme/inject': 'true' } };
  expect(
    explain(labeled)
      .problems.slice(1)
      .map(({ next }) => next),
  ).toEqual(['kubectl label namespace shop tracing.acme/inject-']);
});

it('has nothing to say of a workload of which nothing is left', () => {
  expect(explain(facts([pod('web-0')], {}, { other: 'stays' })).problems).toHaveLength(1);
});
