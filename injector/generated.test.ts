import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { applyPatch } from 'rfc6902';
import { diff } from '../webhook/json-patch.ts';
import { generatedPod } from '../test/generated-pod.ts';
import { strangePaths } from '../test/patch-scope.ts';
import type { InjectOptions } from './inject.ts';
import { injectPod } from './inject.ts';
import type { EnvVar, Pod } from './pod.ts';
import { quantity } from './quantity.ts';
import { resolve } from './resolve.ts';

/** Pods as nobody would write them: whatever they have, injection must keep it. `make test` makes 2,000 of them, `make soak` 20,000. */
const RUNS = Number(process.env['GENERATED_PODS'] ?? 300);

const options: InjectOptions = {
  agentImage: 'agent:1',
  agentImagePullPolicy: 'IfNotPresent',
  reporting: { url: 'https://operator/reports', ca: 'PEM' },
};

function inject(object: Pod) {
  const { labels, annotations } = object.metadata ?? {};
  const resolution = resolve({ namespaced: [], cluster: [], defaults: {} }, { namespace: 'n', labels, annotations });
  return injectPod(object, { name: 'n', labels: {} }, resolution, options).pod;
}

/** Equal, in the same order; `toEqual` takes some milliseconds for each of thousands. */
function expectSame(a: unknown, b: unknown): void {
  expect(JSON.stringify(a)).toBe(JSON.stringify(b));
}

/** Whether `part` can be got from `whole` by leaving items out. */
function isSubsequence(part: unknown[], whole: unknown[]): boolean {
  const rest = whole.map((item) => JSON.stringify(item));
  return part.every((item) => {
    const at = rest.indexOf(JSON.stringify(item));
    if (at !== -1) rest.splice(0, at + 1);
    return at !== -1;
  });
}

it('keeps everything of a pod, whatever it is, and does it once', () => {
  fc.assert(
    fc.property(generatedPod, (original) => {
      const before = structuredClone(original);
      const after = inject(original);
      expectSame(original, before);
      expect(inject(after)).toBe(after);

      // What is added to: everything else is equal.
      const { containers, initContainers = [], volumes = [], ...others } = after.spec;
      const { containers: _c, initContainers: _i, volumes: _v, ...ownOthers } = before.spec;
      expectSame(others, ownOthers);
      expect(after.metadata).toMatchObject(before.metadata ?? {});
      expect(isSubsequence(before.spec.volumes ?? [], volumes)).toBe(true);

      const all = [...initContainers, ...containers].filter(({ name }) => name !== 'tracing-acme-agent');
      const own = [...(before.spec.initContainers ?? []), ...before.spec.containers];
      expect(all.map(({ name }) => name)).toEqual(own.map(({ name }) => name));
      for (const [i, { env: ownEnv = [], volumeMounts: ownMounts = [], ...rest }] of own.entries()) {
        const { env: newEnv = [], volumeMounts = [], ...same } = all[i]!;
        expectSame(same, rest);
        expect(isSubsequence(ownMounts, volumeMounts)).toBe(true);
        const untouched = (list: EnvVar[]) => list.filter(({ name }) => name !== 'NODE_OPTIONS');
        expect(isSubsequence(untouched(ownEnv), newEnv)).toBe(true);
        // Of what NODE_OPTIONS was, each word and each reference is still there.
        const text = JSON.stringify(newEnv);
        for (const entry of ownEnv) expect(text).toContain(JSON.stringify(entry.valueFrom ?? entry.value).slice(0, -1));
      }

      // The API server refuses a request above its limit.
      const init = initContainers.find(({ name }) => name === 'tracing-acme-agent');
      for (const [name, limit] of Object.entries(init?.resources?.limits ?? {})) {
        const request = init?.resources?.requests?.[name];
        const valid = own.every(({ resources }) => {
          const [asked, most] = [resources?.requests?.[name], resources?.limits?.[name]];
          return asked === undefined || most === undefined || quantity(asked) <= quantity(most);
        });
        if (valid && request !== undefined) expect(quantity(request)).toBeLessThanOrEqual(quantity(limit));
      }

      const patch = diff(before, after);
      expect(strangePaths(before, patch)).toEqual([]);
      const patched = structuredClone(before);
      expect(applyPatch(patched, patch).filter(Boolean)).toEqual([]);
      expect(patched).toEqual(after);
    }),
    { numRuns: RUNS },
  );
}, 600_000);
