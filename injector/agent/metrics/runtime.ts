import { ValueType, type Meter, type ObservableResult } from '@opentelemetry/api';
import * as perf from 'node:perf_hooks';
import * as v8 from 'node:v8';

// Names, kinds, units and boundaries by the semantic conventions 1.45 for Node.js and V8:
// https://opentelemetry.io/docs/specs/semconv/runtime/nodejs-metrics/ and …/v8js-metrics/
const GC_BOUNDARIES = [0.01, 0.1, 1, 10];
const GC_KINDS: Record<number, string> = {
  [perf.constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [perf.constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [perf.constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [perf.constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weakcb',
};
type DelayHistogram = ReturnType<typeof perf.monitorEventLoopDelay>;
/** Node's own default, in milliseconds. */
const RESOLUTION = 10;
const DELAYS: [name: string, description: string, nanos: (delay: DelayHistogram) => number][] = [
  ['min', 'minimum', ({ min }) => min],
  ['max', 'maximum', ({ max }) => max],
  ['mean', 'mean', ({ mean }) => mean],
  ['stddev', 'standard deviation', ({ stddev }) => stddev],
  ['p50', '50 percentile', (delay) => delay.percentile(50)],
  ['p90', '90 percentile', (delay) => delay.percentile(90)],
  ['p99', '99 percentile', (delay) => delay.percentile(99)],
];
const SPACES = [
  ['v8js.memory.heap.space.size', 'Total heap memory size pre-allocated for a heap space.', 'space_size'],
  ['v8js.memory.heap.used', 'Heap Memory size allocated.', 'space_used_size'],
  ['v8js.memory.heap.space.available_size', 'Heap space available size.', 'space_available_size'],
  ['v8js.memory.heap.space.physical_size', 'Committed size of a heap space.', 'physical_space_size'],
] as const;

/** Begins to measure the event loop and the heap of this process; gives what ends it. */
export function measureRuntime(meter: Meter): () => void {
  const delay = perf.monitorEventLoopDelay({ resolution: RESOLUTION });
  delay.enable();
  const observer = observeCollections(meter);
  observeDelay(meter, delay);
  observeUtilization(meter);
  observeHeap(meter);
  meter
    .createObservableGauge('v8js.resource.active', {
      description: 'Gauge of the active resources that are currently keeping the event loop alive.',
      unit: '{resource}',
      valueType: ValueType.INT,
    })
    .addCallback(activeResources());
  return () => {
    delay.disable();
    observer.disconnect();
  };
}

function observeDelay(meter: Meter, delay: DelayHistogram): void {
  const gauges = DELAYS.map(([name, description]) =>
    meter.createObservableGauge(`nodejs.eventloop.delay.${name}`, {
      description: `Event loop ${description} delay.`,
      unit: 's',
    }),
  );
  meter.addBatchObservableCallback((result) => {
    // Two are needed for a deviation.
    if (delay.count < 2) return;
    for (const [at, [, , nanos]] of DELAYS.entries()) result.observe(gauges[at]!, nanos(delay) / 1e9);
    delay.reset();
  }, gauges);
}

function observeCollections(meter: Meter): perf.PerformanceObserver {
  const duration = meter.createHistogram('v8js.gc.duration', {
    description: 'Garbage collection duration.',
    unit: 's',
    advice: { explicitBucketBoundaries: GC_BOUNDARIES },
  });
  const observer = new perf.PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as { detail?: { kind?: number } }).detail ?? {};
      duration.record(entry.duration / 1000, { 'v8js.gc.type': GC_KINDS[kind ?? -1] ?? String(kind) });
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  return observer;
}

function observeUtilization(meter: Meter): void {
  const { eventLoopUtilization } = perf.performance;
  let last = eventLoopUtilization();
  meter
    .createObservableGauge('nodejs.eventloop.utilization', { description: 'Event loop utilization.', unit: '1' })
    .addCallback((result) => {
      const now = eventLoopUtilization();
      result.observe(eventLoopUtilization(now, last).utilization);
      last = now;
    });
  meter
    .createObservableCounter('nodejs.eventloop.time', {
      description: 'Cumulative duration of time the event loop has been in each state.',
      unit: 's',
    })
    .addCallback((result) => {
      const { active, idle } = eventLoopUtilization();
      result.observe(active / 1000, { 'nodejs.eventloop.state': 'active' });
      result.observe(idle / 1000, { 'nodejs.eventloop.state': 'idle' });
    });
}

function observeHeap(meter: Meter): void {
  const counters = SPACES.map(([name, description]) =>
    meter.createObservableUpDownCounter(name, { description, unit: 'By', valueType: ValueType.INT }),
  );
  meter.addBatchObservableCallback((result) => {
    for (const space of v8.getHeapSpaceStatistics())
      for (const [at, [, , field]] of SPACES.entries())
        result.observe(counters[at]!, space[field], { 'v8js.heap.space.name': space.space_name });
  }, counters);
}

/** A type that has been there is zero, and not missing, when it is not any more. */
function activeResources(): (result: ObservableResult) => void {
  const known = new Map<string, number>();
  return (result) => {
    for (const type of known.keys()) known.set(type, 0);
    for (const type of process.getActiveResourcesInfo()) known.set(type, (known.get(type) ?? 0) + 1);
    for (const [type, count] of known) result.observe(count, { 'v8js.resource.type': type });
  };
}
