import { describe, expect, it } from '@jest/globals';
import { choose, type Surroundings } from './choose.ts';

const both: Surroundings = { wish: undefined, dockerAnswers: true, kindOnPath: true, platform: 'linux' };

describe('which Kubernetes', () => {
  it('is kind where Docker answers and kind is there', () => {
    expect(choose(both)).toEqual({
      flavor: 'kind',
      why: expect.stringContaining('Docker answers and kind is on PATH'),
    });
  });

  it('says that kind is untested', () => {
    expect(choose(both).why).toContain('untested');
  });

  it.each([
    [{ dockerAnswers: false }, 'no Docker daemon answers'],
    [{ kindOnPath: false }, 'kind is not on PATH'],
  ])('is from source otherwise, and says why: %j', (lack, why) => {
    expect(choose({ ...both, ...lack })).toEqual({ flavor: 'source', why: expect.stringContaining(why) });
  });

  it.each(['kind', 'source'] as const)('is what TRACING_CLUSTER=%s says', (wish) => {
    expect(choose({ ...both, wish })).toEqual({
      flavor: wish,
      why: expect.stringContaining(`because TRACING_CLUSTER=${wish}`),
    });
  });

  it('says why the wish for kind can not be met', () => {
    expect(() => choose({ ...both, wish: 'kind', kindOnPath: false })).toThrow('kind is not on PATH');
    expect(() => choose({ ...both, wish: 'kind', dockerAnswers: false })).toThrow('no Docker daemon answers');
  });

  it('is chosen by the machine when the wish is empty', () => {
    expect(choose({ ...both, wish: '' }).flavor).toBe('kind');
  });

  it('refuses an unknown wish', () => {
    expect(() => choose({ ...both, wish: 'minikube' })).toThrow('it can be "kind" or "source"');
  });

  it('says what is missing on a system that it cannot be built on', () => {
    expect(() => choose({ ...both, dockerAnswers: false, platform: 'darwin' })).toThrow(
      'needs a running Docker and kind',
    );
  });
});
