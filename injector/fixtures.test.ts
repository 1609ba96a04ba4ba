import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dump, load } from 'js-yaml';
import { pino } from 'pino';
import { applyPatch } from 'rfc6902';
import type { Operation } from 'rfc6902';
import { injectManifest } from '../cli/inject.ts';
import { decide, templatePath } from '../cli/workload.ts';
import type { TracingPolicy } from '../crds/tracing-policy.ts';
import { admit } from '../webhook/admit.ts';
import type { AdmitContext } from '../webhook/admit.ts';
import type { PatchOperation } from '../webhook/json-patch.ts';
import { app } from '../webhook/server.ts';
import { strangePaths } from '../test/patch-scope.ts';
import { REASONS } from './decision.ts';
import { injectPod } from './inject.ts';
import type { Pod } from './pod.ts';
import { resolve } from './resolve.ts';
import type { Workload } from './workload.ts';
import { propagateInject } from './workload.ts';

/**
 * Every `testdata/NAME.yaml` with what must become of it in `NAME.yaml.injected`: the object, and the decisions as
 * comments. `UPDATE_FIXTURES=1 npm run unit -- injector` writes them anew; read the difference before you commit it.
 */
const DIRECTORY = new URL('testdata/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, DIRECTORY), 'utf8');
const names = readdirSync(DIRECTORY).filter((name) => name.endsWith('.yaml') && name !== 'policies.yaml');
const policies = { namespaced: load(read('policies.yaml')) as TracingPolicy[], cluster: [], defaults: {} };

const context: AdmitContext = {
  policies: () => policies,
  namespaceLabels: () => ({}),
  namespaceAnnotations: () => ({}),
  whyNoAgent: () => undefined,
  whyRolledBack: () => undefined,
  isCanary: () => false,
  meshes: () => ({}),
  options: {
    agentImage: 'agent:test',
    agentImagePullPolicy: 'IfNotPresent',
    reporting: { url: 'https://operator/reports', ca: 'PEM' },
  },
};

function inLibrary(object: Pod | Workload) {
  if (object.kind !== 'Pod') {
    const { workload, decisions } = propagateInject(object as Workload);
    return { object: workload, decisions };
  }
  const pod = object as Pod;
  const { labels, annotations } = pod.metadata ?? {};
  const resolution = resolve(policies, { namespace: 'shop', labels, annotations });
  const { pod: injected, decisions } = injectPod(pod, { name: 'shop', labels: {} }, resolution, context.options);
  return { object: injected, decisions };
}

function text({ object, decisions }: ReturnType<typeof inLibrary>): string {
  const lines = decisions.map(
    ({ container, reason, message, warn }) =>
      `# ${warn ? 'warning ' : ''}${container ? `${container}: ` : ''}${reason}: ${message}\n`,
  );
  // Jest's objects are of another realm, which js-yaml does not take for plain ones.
  return lines.join('') + dump(JSON.parse(JSON.stringify(object)), { lineWidth: 120, noRefs: true });
}

describe.each(names)('%s', (name) => {
  const object = load(read(name)) as Pod | Workload;

  it('is injected as its .injected file says', () => {
    const result = text(inLibrary(object));
    if (process.env.UPDATE_FIXTURES) writeFileSync(new URL(`${name}.injected`, DIRECTORY), result);
    expect(result).toBe(read(`${name}.injected`));
  });

  it('is left as it was by a second injection', () => {
    const once = inLibrary(object).object;
    expect(inLibrary(once).object).toBe(once);
  });

  it('is left as it was also after others have reordered it', () => {
    const once = inLibrary(object).object;
    if (once.kind !== 'Pod') return;
    const reordered = structuredClone(once) as Pod;
    reordered.spec.containers.reverse();
    reordered.spec.volumes?.reverse();
    reordered.spec.initContainers?.unshift({ name: 'added-by-another-webhook', image: 'x:1' });
    expect(inLibrary(reordered).object).toBe(reordered);
  });

  it('keeps what its owner wrote, in its order', () => {
    if (object.kind !== 'Pod') return;
    const before = object as Pod;
    const after = inLibrary(object).object as Pod;
    for (const list of ['containers', 'initContainers', 'volumes'] as const) {
      const own = (before.spec[list] ?? []).map((item) => item.name);
      const kept = (after.spec[list] ?? []).map((item) => item.name).filter((each) => own.includes(each));
      expect(kept).toEqual(own);
    }
    for (const [i, container] of before.spec.containers.entries()) {
      const now = after.spec.containers[i]!;
      expect(now.volumeMounts ?? []).toEqual(expect.arrayContaining(container.volumeMounts ?? []));
      const others = (container.env ?? []).filter((entry) => entry.name !== 'NODE_OPTIONS');
      expect((now.env ?? []).filter((entry) => others.some((other) => other.name === entry.name))).toEqual(others);
    }
  });

  it('warns in words that the API server does not cut off', () => {
    for (const { message, warn } of inLibrary(object).decisions)
      if (warn) expect(Buffer.byteLength(`tracing: ${message}`)).toBeLessThanOrEqual(256);
  });

  it('is not changed in place', () => {
    const before = structuredClone(object);
    inLibrary(object);
    expect(object).toEqual(before);
  });
});

it('has no .injected file without its source', () => {
  const stale = readdirSync(DIRECTORY).filter(
    (name) => name.endsWith('.injected') && !names.includes(name.replace('.injected', '')),
  );
  expect(stale).toEqual([]);
});

describe('every reason', () => {
  const page = readFileSync(new URL('../docs/reference/decisions.md', import.meta.url), 'utf8');
  it.each(REASONS)('%s is explained in docs/reference/decisions.md', (reason) => {
    expect(page).toContain(`| \`${reason}\` |`);
  });
});

describe('through kubectl tracing inject', () => {
  const inject = (text: string) =>
    injectManifest(text, 'fixture', {
      namespace: 'shop',
      policies,
      defaults: {},
      options: context.options,
    });

  it.each(names)('%s comes out the same, and nothing of it twice', (name) => {
    const text = read(name);
    const { text: result } = inject(text);
    const object = load(text) as Pod | Workload;
    const { object: expected } = inLibrary(object);
    // The webhook sees a workload and later the pods it makes; a file has both at once.
    const path = templatePath(expected as unknown as Record<string, unknown>)!;
    const surroundings = { namespace: 'shop', namespaceLabels: {}, policies, options: context.options };
    const whole = decide(expected as unknown as Record<string, unknown>, path, surroundings).object;
    expect(load(result)).toEqual(whole);
    if (object.kind === 'Pod') expect(whole).toEqual(expected);
    expect(inject(result).text).toBe(result);
    if (result === text) expect(expected).toEqual(object);
  });

  it('all of them in one file come out as each alone, and comments stay', () => {
    const texts = names.map((name) => `# fixture ${name}\n${read(name)}`);
    const { text, verdicts } = inject(texts.join('---\n'));
    expect(text).toBe(texts.map((each) => inject(each).text).join('---\n'));
    expect(verdicts).toHaveLength(names.length);
    const comments = (file: string) => file.split('\n').filter((line) => /^\s*#/.test(line));
    expect(comments(text)).toEqual(comments(texts.join('---\n')));
    expect(verdicts.filter(({ what }) => what.includes('written anew'))).toEqual([]);
  });
});

describe('through the webhook', () => {
  let server: Server;
  beforeAll(async () => {
    const metrics = { request: () => () => {}, decision() {}, failure() {} };
    const express = app({
      admit: (request, entry) => admit(request, entry, context),
      metrics,
      logger: pino({ level: 'silent' }),
    });
    server = await new Promise<Server>((done) => {
      const listening: Server = express.listen(0, '127.0.0.1', () => done(listening));
    });
  });
  afterAll(() => new Promise((done) => server.close(done)));

  it.each(names)('%s comes out the same', async (name) => {
    const object = load(read(name)) as Pod | Workload;
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mutate`, {
      method: 'POST',
      body: JSON.stringify({
        apiVersion: 'admission.k8s.io/v1',
        kind: 'AdmissionReview',
        request: {
          uid: 'u1',
          kind: { group: '', version: 'v1', kind: object.kind },
          namespace: 'shop',
          operation: 'CREATE',
          object,
        },
      }),
    });
    const review = (await response.json()) as {
      response: { uid: string; allowed: boolean; patch?: string; warnings?: string[] };
    };
    expect(review.response).toMatchObject({ uid: 'u1', allowed: true });
    const result = structuredClone(object);
    const patch = JSON.parse(Buffer.from(review.response.patch ?? 'W10=', 'base64').toString()) as Operation[];
    expect(strangePaths(object, patch as PatchOperation[])).toEqual([]);
    expect(applyPatch(result, patch).filter(Boolean)).toEqual([]);

    const expected = inLibrary(object);
    expect(result).toEqual(expected.object);
    const warnings = expected.decisions.filter(({ warn }) => warn).map(({ message }) => `tracing: ${message}`);
    expect(review.response.warnings ?? []).toEqual(warnings);
  });
});
