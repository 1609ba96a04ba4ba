import { describe, expect, it } from '@jest/globals';
import { agentStart, startFailure } from './agent-start.ts';
import type { StartStatus } from './agent-start.ts';

const READY = '2026-01-01T00:00:00Z';
const SECOND = 1_000;
const since = (seconds: number) => Date.parse(READY) + seconds * SECOND;

type Init = NonNullable<StartStatus['initContainerStatuses']>[number];

/** A pod whose volumes and network are there, and whose init container is like this. */
const pending = (own: Omit<Init, 'name'>, ...before: Init[]): StartStatus => ({
  phase: 'Pending',
  conditions: [{ type: 'PodReadyToStartContainers', status: 'True', lastTransitionTime: READY }],
  initContainerStatuses: [...before, { name: 'tracing-acme-agent', ...own }],
});
const waiting = (reason: string, message = '') => pending({ state: { waiting: { reason, message } } });
const verdict = (status: StartStatus, seconds: number, isKnownBad = false) => {
  const start = agentStart(status);
  const found = start && startFailure(start, since(0), since(seconds), isKnownBad);
  return found && ('due' in found ? (found.due - since(0)) / SECOND : found.reason);
};

describe('how the agent of a pod stands', () => {
  it('is nothing to be said of where it has been copied, or the app runs', () => {
    expect(agentStart(pending({ state: { terminated: { exitCode: 0 } } }))).toBeUndefined();
    expect(agentStart({ phase: 'Running' })).toBeUndefined();
    expect(agentStart({ phase: 'Succeeded' })).toBeUndefined();
  });

  it('is open while nothing has happened', () => {
    expect(verdict({}, 1_000)).toBeUndefined();
    expect(verdict({ phase: 'Pending' }, 1_000)).toBeUndefined();
  });

  it.each(['ErrImagePull', 'ImagePullBackOff', 'RunContainerError', 'CreateContainerError', 'RegistryUnavailable'])(
    'is bad after %s of 15 seconds, in which the kubelet tries again',
    (reason) => {
      expect(verdict(waiting(reason), 14)).toBe(15);
      expect(verdict(waiting(reason), 15)).toBe(reason);
    },
  );

  it('is bad at once where others have failed already', () => {
    expect(verdict(waiting('ErrImagePull'), 1, true)).toBe('ErrImagePull');
  });

  it.each(['InvalidImageName', 'ErrImageNeverPull', 'CreateContainerConfigError'])(
    'is bad at once by %s, which does not pass by itself',
    (reason) => {
      expect(verdict(waiting(reason), 0)).toBe(reason);
    },
  );

  it('is bad after an exit code, whether it waits to run again or not; the exit says why, not the waiting', () => {
    const terminated = { exitCode: 1, reason: 'Error', message: 'exec format error\n' };
    const crashed = pending({ state: { terminated } });
    const loops = pending({ state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated } });
    for (const status of [crashed, loops]) {
      expect(verdict(status, 16)).toBe('Error');
      expect(agentStart(status)?.trouble?.message).toBe('exit code 1: exec format error');
    }
    const runs = pending({ state: { running: {} }, lastState: { terminated } });
    expect(verdict(runs, 16)).toBe(120);
  });

  it('is bad where nothing comes of it for two minutes, but not while others are before it', () => {
    expect(verdict(waiting('PodInitializing'), 119)).toBe(120);
    expect(verdict(waiting('PodInitializing'), 120)).toBe('Hangs');
    const own = { state: { waiting: { reason: 'PodInitializing' } } };
    const other = (state: Init['state'], started = false): Init => ({
      name: 'other',
      started,
      ...(state && { state }),
    });
    expect(verdict(pending(own, other({ running: {} })), 1_000)).toBeUndefined();
    expect(verdict(pending(own, other({ running: {} }, true)), 1_000)).toBe('Hangs');
    expect(verdict(pending(own, other({ terminated: { exitCode: 0 } })), 1_000)).toBe('Hangs');
  });

  it('is not blamed for volumes and networks that are not there', () => {
    const status = waiting('PodInitializing');
    status.conditions = [{ type: 'PodReadyToStartContainers', status: 'False', lastTransitionTime: READY }];
    expect(verdict(status, 1_000)).toBeUndefined();
  });

  it('is bad for five minutes after a pod that it ended for good', () => {
    const terminated = { exitCode: 2, reason: 'Error', finishedAt: READY };
    const status = { ...pending({ state: { terminated } }), phase: 'Failed' };
    expect(verdict(status, 1)).toBe('Error');
    expect(verdict(status, 299)).toBe('Error');
    expect(verdict(status, 300)).toBeUndefined();
  });

  describe('after an eviction', () => {
    const evicted = (message: string): StartStatus => ({
      ...{ phase: 'Failed', reason: 'Evicted', message },
      conditions: [
        { type: 'PodScheduled', status: 'True', lastTransitionTime: '2025-12-31T00:00:00Z' },
        { type: 'PodReadyToStartContainers', status: 'False', lastTransitionTime: READY },
      ],
      initContainerStatuses: [{ name: 'tracing-acme-agent', state: { terminated: { exitCode: 137 } } }],
    });
    it.each([
      'Usage of EmptyDir volume "tracing-acme-agent" exceeds the limit "32Mi". ',
      'Container tracing-acme-agent exceeded its local ephemeral storage limit "1Mi". ',
    ])('is bad by: %s', (message) => expect(verdict(evicted(message), 1)).toBe('Evicted'));
    it.each([
      'Usage of EmptyDir volume "cache" exceeds the limit "32Mi". ',
      'The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. ',
    ])('is not by: %s', (message) => expect(agentStart(evicted(message))).toBeUndefined());
  });

  it('is not blamed where the app has failed, or the node ended the pod', () => {
    const ended = { ...pending({ state: { terminated: { exitCode: 0 } } }), phase: 'Failed' };
    expect(agentStart(ended)).toBeUndefined();
    const killed = { ...pending({ state: { terminated: { exitCode: 137 } } }), phase: 'Failed', reason: 'Terminated' };
    expect(agentStart(killed)).toBeUndefined();
  });
});
