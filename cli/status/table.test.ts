import { describe, expect, it } from '@jest/globals';
import { overview } from '../../operator/coverage/overview.ts';
import { facts, pod, traced } from '../../operator/coverage/sample-facts.ts';
import { plain } from '../output.ts';
import { statusTable } from './table.ts';

describe('the table of an overview', () => {
  it('fits into 80 columns, and has the next command for each workload in trouble', () => {
    const long = `${'long-'.repeat(12)}name`;
    const seen = overview(
      facts({
        pods: [traced('a-0', 'a'), pod('d-0', long, { annotations: { 'tracing.acme/inject': 'true' } })],
        closed: ['pods of others'],
      }),
    );
    const text = statusTable(seen, true, plain, 80);
    const lines = text.split('\n');
    // What is to be copied, and the name in front of it, stays whole.
    expect(lines.filter((line) => line.length > 80 && !line.includes(long))).toEqual([]);
    expect(text).toMatch(/NAMESPACE +WORKLOAD +PODS +TRACED +REPORTING +POLICY +STATE\nshop .*… +1 +0 .*Missing\nshop/);
    expect(text).toContain(`→ kubectl tracing explain statefulset/${long} -n shop`);
    expect(text).toContain('You may not read\n  pods of others');
  });
});
