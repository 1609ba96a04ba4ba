import { ValueType, context, trace } from '@opentelemetry/api';
import { InstrumentationBase } from '@opentelemetry/instrumentation';
import type { SelfGated, Wanted } from '../gate.ts';
import type { RecordingSpan } from '../span.ts';
import { HIT } from './hit.ts';

/** On the span of the request: how often it looked into caches of its own process. */
const LOCAL_HITS = 'cache.local.hits';
const LOCAL_MISSES = 'cache.local.misses';

/**
 * A cache in the memory of the process. A span for each look into it would cost many times as much as the look: looks are
 * counted at the request's span, and in a metric while there are metrics.
 */
export abstract class LocalCacheInstrumentation extends InstrumentationBase implements SelfGated {
  wanted: Wanted | undefined = undefined;
  private hits = 0;
  private misses = 0;
  private readonly library: string;

  constructor(library: string, config: object) {
    super(`tracing-operator/${library}`, '', config);
    this.library = library;
  }

  /** Counts looks into a cache. */
  protected count(hits: number, misses: number): void {
    this.hits += hits;
    this.misses += misses;
    // Undefined where nothing is recorded.
    const root = (trace.getSpan(context.active()) as Partial<RecordingSpan> | undefined)?.root;
    if (root === undefined || !this.wanted?.isOn()) return;
    const counted = (root.counted ??= { [LOCAL_HITS]: 0, [LOCAL_MISSES]: 0 });
    counted[LOCAL_HITS]! += hits;
    counted[LOCAL_MISSES]! += misses;
  }

  /** Called when metrics are switched on. */
  protected override _updateMetricInstruments(): void {
    // Also by the base class, before anything of this one is there.
    if (this.library === undefined) return;
    this.hits = 0;
    this.misses = 0;
    this.meter
      .createObservableCounter('cache.local.lookups', {
        description: 'Looks into caches in the memory of the process.',
        unit: '{lookup}',
        valueType: ValueType.INT,
      })
      .addCallback((result) => {
        if (!this.wanted?.isMeasuring()) return;
        result.observe(this.hits, { 'cache.library': this.library, [HIT]: true });
        result.observe(this.misses, { 'cache.library': this.library, [HIT]: false });
      });
  }
}
