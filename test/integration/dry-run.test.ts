import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { load } from 'js-yaml';
import { injectPod } from '../../injector/inject.ts';
import type { Pod } from '../../injector/pod.ts';
import { resolve } from '../../injector/resolve.ts';
import { ApiError, KubeClient } from '../../operator/kube/client.ts';
import { generatedPod } from '../generated-pod.ts';
import { makeNamespace, untilUsable } from './api-server.ts';

const DIRECTORY = new URL('../../injector/testdata/', import.meta.url);
/** Fixtures that no API server takes from anybody but a kubelet, or on a cluster without such a node. */
const NEVER_TAKEN = ['mirror.yaml'];
/** Of generated pods; the same each time, so that what is accepted today is tomorrow. */
const SAMPLE = { numRuns: 60, seed: 1 };
const MOSTLY = 0.8;

const client = KubeClient.fromDefault();
let namespace: Awaited<ReturnType<typeof makeNamespace>>;

beforeAll(async () => {
  namespace = await makeNamespace(client);
  await untilUsable(client, namespace.name, 60_000);
});
afterAll(async () => {
  await namespace.delete();
  client.close();
});

/** Creates a pod in a dry run: whatever the API server and its admission plug-ins check is checked, and nothing stays. */
async function refusal(pod: Pod): Promise<string | undefined> {
  const path = `/api/v1/namespaces/${namespace.name}/pods`;
  const { namespace: _, ...metadata } = pod.metadata ?? {};
  // Fixtures leave out what injection does not look at.
  const ownerReferences = metadata.ownerReferences?.map((owner) => ({ uid: 'u', ...owner }));
  const body = { ...pod, apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, ownerReferences } };
  try {
    await client.request('POST', path, { query: { dryRun: 'All', fieldValidation: 'Strict' }, body });
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}

describe('the API server takes what injection makes', () => {
  const fixtures = readdirSync(DIRECTORY).filter((name) => name.endsWith('.yaml') && name !== 'policies.yaml');
  const read = (name: string) => load(readFileSync(new URL(name, DIRECTORY), 'utf8')) as Pod;
  const pods = fixtures.filter((name) => read(name).kind === 'Pod');

  it.each(pods)('of %s', async (name) => {
    const [bare, injected] = [await refusal(read(name)), await refusal(read(`${name}.injected`))];
    expect({ bare: bare !== undefined, injected }).toEqual(
      NEVER_TAKEN.includes(name) ? { bare: true, injected: expect.anything() } : { bare: false, injected: undefined },
    );
  });

  it('of pods that nobody would write', async () => {
    let accepted = 0;
    for (const pod of fc.sample(generatedPod, SAMPLE)) {
      const { labels, annotations } = pod.metadata ?? {};
      const where = { namespace: namespace.name, labels, annotations };
      const resolution = resolve({ namespaced: [], cluster: [], defaults: {} }, where);
      const options = { agentImage: 'agent:1', agentImagePullPolicy: 'IfNotPresent' };
      const injected = injectPod(pod, { name: namespace.name, labels: {} }, resolution, options).pod;
      if ((await refusal(pod)) !== undefined) continue;
      accepted++;
      const why = await refusal(injected);
      if (why !== undefined) throw new Error(`${why}\n${JSON.stringify(pod, null, 2)}`);
    }
    expect(accepted).toBeGreaterThanOrEqual(SAMPLE.numRuns * MOSTLY);
  }, 120_000);
});
