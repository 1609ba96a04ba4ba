import { describe, expect, it } from '@jest/globals';
import { addedBy } from '../../injector/added-by.ts';
import { conflictsIn, mergeAdditions, without } from './additions.ts';

const PLUGINS = 'konghq.com/plugins';

describe('what is added to an object of others', () => {
  it('is known by the annotation that says who added what', () => {
    expect(addedBy({ 'tracing.acme/added-by': 'TracingPolicy shop/default: a/b, c' })).toEqual({
      source: 'TracingPolicy shop/default',
      names: ['a/b', 'c'],
    });
    expect(addedBy({ a: 'b' })).toBeUndefined();
    expect(addedBy(undefined)).toBeUndefined();
  });

  it('is in conflict with what the API server says it is: one field, several, of several managers', () => {
    // In the words of API servers of 1.34.
    expect(
      conflictsIn(
        `Apply failed with 1 conflict: conflict with "kubectl-annotate" using v1: .metadata.annotations.${PLUGINS}`,
      ),
    ).toEqual([{ manager: 'kubectl-annotate', field: `.metadata.annotations.${PLUGINS}` }]);
    expect(
      conflictsIn(
        'Apply failed with 3 conflicts: conflicts with "helm" using v1:\n- .data.otel-sampler\n- .data.otlp-collector-host\nconflict with "kubectl-edit" using v1: .data.otel-sampler-ratio',
      ),
    ).toEqual([
      { manager: 'helm', field: '.data.otel-sampler' },
      { manager: 'helm', field: '.data.otlp-collector-host' },
      { manager: 'kubectl-edit', field: '.data.otel-sampler-ratio' },
    ]);
    expect(conflictsIn('Operation cannot be fulfilled: uid mismatch')).toEqual([]);
  });

  it('is applied once where several systems add to an object', () => {
    const to = { group: '', versions: ['v1'], resource: 'services', kind: 'Service' };
    const one = { to, name: 'web', annotations: { a: '1' } };
    const other = { to, name: 'web', annotations: { b: '2' }, data: { c: '3' } };
    expect(mergeAdditions([one, other, { to, name: 'else' }])).toEqual([
      { to, name: 'web', annotations: { a: '1', b: '2' }, data: { c: '3' } },
      { to, name: 'else', annotations: {}, data: {} },
    ]);
  });

  it('is without what is theirs', () => {
    const fields = { annotations: { [PLUGINS]: 'a', kept: 'b' }, data: { [PLUGINS]: 'kept too' } };
    expect(without(fields, [{ manager: 'helm', field: `.metadata.annotations.${PLUGINS}` }])).toEqual({
      annotations: { kept: 'b' },
      data: { [PLUGINS]: 'kept too' },
    });
  });
});
