import { IORedisInstrumentation as Base } from '@opentelemetry/instrumentation-ioredis';
import { noteReply } from '../caches/hit.ts';

/** Theirs, which does not say whether a key was there. */
export class IORedisInstrumentation extends Base {
  constructor(config = {}) {
    super({ ...config, responseHook: noteReply });
  }
}
