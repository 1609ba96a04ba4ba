import { describe, expect, it } from '@jest/globals';
import type { PodMeta } from '../policy/cluster-view.ts';
import type { AgentStart } from './agent-start.ts';
import { Gate } from './gate.ts';
import { openOutage, readOutages, step, writeOutages } from './outage.ts';
import type { Outage } from './outage.ts';

const BASE = Date.parse('2026-01-01T00:00:00Z');
const AGENT = 'agent:1 IfNotPresent';
const iso = (seconds: number) => new Date(BASE + seconds * 1_000).toISOString();
const trouble = { reason: 'ImagePullBackOff', message: 'no such image' };

/** A pod made at this second, by default one that has its agent. */
function pod(name: string, at: number, start?: AgentStart, more: { agent?: string; phase?: string } = {}): PodMeta {
  const { agent = AGENT, phase = start ? 'Pending' : 'Running' } = more;
  return {
    metadata: {
      ...{ name, namespace: 'shop', uid: name, resourceVersion: '1', creationTimestamp: iso(at) },
      annotations: { 'tracing.acme/agent': agent },
    },
    status: { phase },
    ...(start && { start }),
  };
}
const hangs = (name: string, at: number, more = {}) => pod(name, at, { began: BASE + at * 1_000, trouble }, more);

/** A namespace over time: what the breaker says at a second, going on from what it said before. */
function namespace() {
  let outages: Outage[] = [];
  return {
    at(seconds: number, pods: PodMeta[], wanted: string[] = [AGENT]) {
      // As it was written down, and read by whoever leads now.
      const now = BASE + seconds * 1_000;
      const result = step(readOutages(writeOutages(outages)), {
        now,
        pods,
        isWanted: (agent) => wanted.includes(agent),
      });
      outages = result.outages;
      return {
        open: openOutage(outages, AGENT) !== undefined,
        pause: outages[0] && (outages[0].until - outages[0].since) / 1_000,
        stuck: result.stuck.map((each) => each.pod.metadata.name),
        again: result.again && (result.again - BASE) / 1_000,
      };
    },
    get outages() {
      return outages;
    },
  };
}

describe('the breaker of a namespace', () => {
  it('does nothing where pods start, or have not failed for long', () => {
    const shop = namespace();
    expect(shop.at(0, [])).toEqual({ open: false, stuck: [] });
    expect(shop.at(10, [pod('a', 0), hangs('b', 0)])).toEqual({ open: false, stuck: [], again: 15 });
    expect(shop.outages).toEqual([]);
  });

  it('opens when one has, and has all that hang made anew, also those that have just begun to', () => {
    const shop = namespace();
    const pods = [pod('good', 0), hangs('a', 0), hangs('b', 14)];
    expect(shop.at(15, pods)).toMatchObject({ open: true, pause: 30, stuck: ['a', 'b'] });
    expect(shop.outages).toMatchObject([{ agent: AGENT, failures: 1, ...trouble }]);
    // Nothing new: nothing is written, nothing begins again.
    const before = shop.outages;
    expect(shop.at(20, pods)).toMatchObject({ open: true, stuck: ['a', 'b'] });
    expect(writeOutages(shop.outages)).toBe(writeOutages(before));
  });

  it('closes when a pod that was made later has its agent', () => {
    const shop = namespace();
    shop.at(15, [hangs('a', 0)]);
    // One from before, which got it after all, says nothing of the others.
    expect(shop.at(50, [pod('a', 0)])).toMatchObject({ open: true });
    expect(shop.at(60, [pod('trial', 50)])).toMatchObject({ open: false });
  });

  it('lasts longer each time that a trial fails, up to five minutes, and has that pod made anew as well', () => {
    const shop = namespace();
    shop.at(15, [hangs('a', 0)]);
    const pauses: (number | undefined)[] = [];
    for (let now = 50, i = 0; i < 5; i++) {
      const result = shop.at(now + 1, [hangs(`trial-${i}`, now)]);
      expect(result).toMatchObject({ open: true, stuck: [`trial-${i}`] });
      pauses.push(result.pause);
      now += result.pause! + 5;
    }
    expect(pauses).toEqual([60, 120, 240, 300, 300]);
  });

  it('goes on from where it was when it opens again within ten minutes, and forgets it after that', () => {
    const again = (seconds: number) => {
      const shop = namespace();
      shop.at(15, [hangs('a', 0)]);
      shop.at(60, [pod('trial', 50)]);
      // Somebody looks at it in between.
      shop.at(seconds - 1, [pod('trial', 50)]);
      return shop.at(seconds + 15, [pod('trial', 50), hangs('b', seconds)]).pause;
    };
    expect(again(500)).toBe(60);
    expect(again(700)).toBe(30);
  });

  it('is not opened again by a pod that nobody could make anew', () => {
    const shop = namespace();
    const bare = hangs('bare', 0);
    expect(shop.at(15, [bare])).toMatchObject({ open: true, stuck: ['bare'] });
    expect(shop.at(60, [bare, pod('trial', 50)])).toMatchObject({ open: false, stuck: ['bare'] });
    expect(shop.at(1_000, [bare, pod('trial', 50)])).toMatchObject({ open: false });
    expect(shop.at(2_000, [bare, pod('trial', 50)])).toMatchObject({ open: false });
  });

  it('does not have a pod made anew that came with the agent while no webhook gave it', () => {
    const shop = namespace();
    shop.at(15, [hangs('a', 0)]);
    // It fails like a trial: it is made anew once, each time that the pause begins anew.
    expect(shop.at(27, [pod('own', 26, { began: BASE + 26_000 })])).toMatchObject({ stuck: [] });
  });

  it('ends when policies give another agent, and has pods that hang by the old one made anew', () => {
    const shop = namespace();
    shop.at(15, [hangs('a', 0)]);
    const other = 'agent:2 IfNotPresent';
    expect(shop.at(16, [hangs('a', 0)], [other])).toMatchObject({ open: false, stuck: ['a'] });
    expect(shop.outages).toEqual([]);
    expect(shop.at(17, [hangs('b', 16)], [other])).toMatchObject({ stuck: [], again: 31 });
  });

  it('keeps agents apart', () => {
    const shop = namespace();
    const other = 'agent:2 IfNotPresent';
    expect(shop.at(15, [hangs('a', 0, { agent: other }), pod('b', 0)], [AGENT, other])).toMatchObject({
      open: false,
      stuck: ['a'],
    });
    expect(openOutage(shop.outages, other)).toBeDefined();
  });

  it('leaves pods alone that are on their way out, or have ended', () => {
    const shop = namespace();
    const leaving = hangs('leaving', 0);
    leaving.metadata.deletionTimestamp = iso(10);
    expect(shop.at(20, [leaving])).toMatchObject({ open: false, stuck: [] });
    const start = { trouble: { ...trouble, ended: BASE + 15_000 } };
    expect(shop.at(20, [pod('ended', 0, start, { phase: 'Failed' })])).toMatchObject({ open: true, stuck: [] });
  });

  it('trusts an agent by which pods were evicted only when one has been there for two minutes', () => {
    const shop = namespace();
    const start = { trouble: { reason: 'Evicted', message: 'too full', ended: BASE + 20_000 } };
    const evicted = pod('evicted', 0, start, { phase: 'Failed' });
    expect(shop.at(20, [evicted])).toMatchObject({ open: true });
    expect(shop.at(70, [evicted, pod('trial', 60)])).toMatchObject({ open: true, again: 180 });
    expect(shop.at(180, [evicted, pod('trial', 60)])).toMatchObject({ open: false });
  });

  it('writes down all that it goes by, and reads nothing into what is none of its', () => {
    const shop = namespace();
    shop.at(15, [hangs('a', 0)]);
    shop.at(60, [pod('trial', 50)]);
    expect(readOutages(writeOutages(shop.outages))).toEqual(shop.outages);
    for (const text of [undefined, '', '{}', '[{}]', '[{"agent":1}]']) expect(readOutages(text)).toEqual([]);
  });
});

describe('admission during an outage', () => {
  function gate(outages: Outage[], pods: PodMeta[] = []) {
    let now = BASE;
    const made = new Gate({ outages: () => outages, injectedPods: () => pods }, () => now);
    return (seconds: number, isDryRun = false) => {
      now = BASE + seconds * 1_000;
      return made.whyNot('shop', AGENT, isDryRun) === undefined;
    };
  }
  const outage: Outage = { agent: AGENT, since: BASE, until: BASE + 30_000, failures: 1, ...trouble };

  it('lets every pod have its agent where there is none, or it is over, or of another', () => {
    expect(gate([])(0)).toBe(true);
    expect(gate([{ ...outage, closed: BASE + 10_000 }])(11)).toBe(true);
    expect(gate([{ ...outage, agent: 'agent:2 Always' }])(1)).toBe(true);
  });

  it('lets none have it before its pause is over, then one, and the next when nothing came of that', () => {
    const may = gate([outage]);
    expect([may(1), may(29)]).toEqual([false, false]);
    expect([may(30), may(30), may(44)]).toEqual([true, false, false]);
    expect([may(45), may(46)]).toEqual([true, false]);
  });

  it('waits for a pod that tries, wherever it was let through, but not for ever', () => {
    const may = gate([outage], [pod('trial', 35, {})]);
    expect([may(36), may(154), may(155)]).toEqual([false, false, true]);
  });

  it('is not tried by a dry run', () => {
    const may = gate([outage]);
    expect([may(30, true), may(30), may(30, true)]).toEqual([true, true, false]);
  });
});
