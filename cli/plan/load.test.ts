import { describe, expect, it } from '@jest/globals';
import type { DocumentExporter, PolicyDocument } from '../../injector/policy-document.ts';
import type { LoadedWorkload } from './load.ts';
import { loadOf } from './load.ts';

const exporter = (name: string, more: Partial<DocumentExporter> = {}): DocumentExporter => ({
  ...{ name, endpoint: `http://${name}:4318`, protocol: 'http/protobuf', headers: [] },
  ...more,
});
const document = (
  ratio: number,
  exporters = [exporter('main')],
  source = 'TracingPolicy shop/default',
): PolicyDocument => ({
  ...{ key: 'policy.default.json', revision: '1', source },
  spec: { sampling: { ratio }, exporters, propagators: ['tracecontext'], resource: { attributes: {} } },
});
const flow = (spansPerSecond: number, bytesPerSecond: number) => ({ spansPerSecond, bytesPerSecond });
const workload = (
  before: PolicyDocument | undefined,
  after: PolicyDocument | undefined,
  more: Partial<LoadedWorkload> = {},
) => ({
  ...{ id: 'shop deployment/order', before, after, rates: { main: flow(2, 1000) } },
  ...more,
});

describe('what exporters would get', () => {
  it('is what they get now, times the ratio, summed over workloads', () => {
    const other = workload(document(0.1), document(0.5), { id: 'shop deployment/web', rates: { main: flow(1, 400) } });
    expect(loadOf([workload(document(0.1), document(0.5)), other])).toEqual({
      exporters: [
        {
          ...{ policy: 'TracingPolicy shop/default', exporter: 'main', endpoint: 'http://main:4318' },
          ...{ now: flow(3, 1400), then: flow(15, 7000) },
        },
      ],
      unknown: [],
    });
  });

  it('is as much for one that is new, and nothing for one that goes or takes no traces', () => {
    const after = document(0.1, [exporter('second'), exporter('logs', { signals: ['logs'] })]);
    expect(
      loadOf([workload(document(0.1), after)]).exporters.map(({ exporter, now, then }) => [exporter, now, then]),
    ).toEqual([
      ['main', flow(2, 1000), flow(0, 0)],
      ['second', flow(0, 0), flow(2, 1000)],
    ]);
  });

  it('is nothing where traces are switched off, whatever was counted', () => {
    expect(loadOf([workload(document(1), document(1, []), { rates: undefined })])).toMatchObject({
      exporters: [{ then: flow(0, 0) }],
      unknown: [],
    });
  });

  it('is not known where nothing is sampled now, nothing was counted, or there was no policy', () => {
    const id = 'shop deployment/order';
    expect(loadOf([workload(document(0), document(0.5))]).unknown).toEqual([id]);
    expect(loadOf([workload(document(0.1), document(0.5), { rates: undefined })]).unknown).toEqual([id]);
    expect(loadOf([workload(undefined, document(0.5))]).unknown).toEqual([id]);
  });
});
