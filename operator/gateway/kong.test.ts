import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { plansFor } from '../../test/planned-cluster.ts';
import { kong } from './kong.ts';

interface Field {
  type: 'string' | 'number' | 'integer' | 'map' | 'array' | 'record';
  required?: boolean;
  oneOf?: string[];
  between?: [number, number];
  elements?: Field;
  values?: Field;
  fields?: Record<string, Field>;
}
type Config = Record<string, unknown>;
/** What is wrong with each field, in Kong's words. */
type Said = { [field: string]: string | string[] | Said };

const { schemas, refused } = load(
  readFileSync(new URL('testdata/kong-opentelemetry.yaml', import.meta.url), 'utf8'),
) as {
  schemas: { versions: Record<string, string>; fields: Record<string, Field>; says: Said }[];
  refused: { config: Config; says: Said }[];
};
const byVersion = schemas.flatMap(({ versions, ...schema }) =>
  Object.keys(versions).map((version) => ({ version, ...schema })),
);

const CLUSTERS = new URL('../integration/testdata/', import.meta.url);

/** Configs of all plug-ins that fixtures of operator/integration plan. */
function planned(samplingStrategy: boolean): [string, Config][] {
  const names = readdirSync(CLUSTERS).filter((name) => /^kong-.*\.yaml$/.test(name));
  return names.flatMap((name) =>
    plansFor(readFileSync(new URL(name, CLUSTERS), 'utf8'), [kong({ enabled: true, samplingStrategy })])
      .flatMap(({ objects }) => objects)
      .map((object): [string, Config] => [name, (object as unknown as { config: Config }).config]),
  );
}

/** Kong's engine in short, as far as these fields need it. */
function faults(config: Config, fields: Record<string, Field>): Said {
  const unknown = Object.keys(config).filter((name) => !(name in fields));
  const known = Object.entries(fields).flatMap(([name, field]): [string, Said[string]][] => {
    const value = config[name];
    const fault = value === undefined ? field.required && 'required field missing' : faultOf(name, value, field);
    return fault ? [[name, fault]] : [];
  });
  return Object.fromEntries([...unknown.map((name) => [name, 'unknown field']), ...known]) as Said;
}

function faultOf(name: string, value: unknown, field: Field): Said[string] | undefined {
  switch (field.type) {
    case 'string':
      if (typeof value !== 'string') return 'expected a string';
      if (value === '') return 'length must be at least 1';
      return field.oneOf?.includes(value) === false ? `expected one of: ${field.oneOf.join(', ')}` : undefined;
    case 'number':
    case 'integer':
      if (typeof value !== 'number') return `expected a${field.type === 'integer' ? 'n' : ''} ${field.type}`;
      return field.between && (value < field.between[0] || value > field.between[1])
        ? `value should be between ${field.between.join(' and ')}`
        : undefined;
    case 'array': {
      if (!Array.isArray(value)) return 'expected an array';
      const found = value.flatMap((each) => faultOf(name, each, field.elements!) ?? []) as string[];
      return found.length > 0 ? found : undefined;
    }
    case 'map': {
      const strange = Object.keys(value as object).find((key) => name === 'headers' && /[^\w-]/.test(key));
      if (strange !== undefined)
        return `bad header name '${strange}', allowed characters are A-Z, a-z, 0-9, '_', and '-'`;
      return Object.values(value as object).flatMap((each) => faultOf(name, each, field.values!) ?? [])[0];
    }
    case 'record': {
      const found = faults(value as Config, field.fields!);
      return Object.keys(found).length > 0 ? found : undefined;
    }
  }
}

describe("the plug-in's config, to Kong's own schema of it,", () => {
  it('is taken from 3.8.0 to the newest, and not before, as the guide says', () => {
    expect(byVersion.filter(({ says }) => Object.keys(says).length === 0).map(({ version }) => version)).toEqual([
      ...['3.8.0', '3.8.1', '3.9.0', '3.9.1', '3.9.2', '3.9.3', 'main'],
    ]);
  });

  it.each(byVersion)('is what Kong $version has taken or refused', ({ fields, says }) => {
    const configs = planned(false);
    expect(configs.length).toBeGreaterThan(5);
    for (const [name, config] of configs) expect({ name, says: faults(config, fields) }).toEqual({ name, says });
  });

  it.each(byVersion)(
    'has a sampling_strategy only where the chart is told that Kong is Enterprise: $version does not know it',
    ({ fields, says }) => {
      const trusting = planned(true).filter(([, { sampling_strategy: strategy }]) => strategy !== undefined);
      expect(trusting.length).toBeGreaterThan(5);
      for (const [, config] of trusting)
        expect(faults(config, fields)).toEqual({ ...says, sampling_strategy: 'unknown field' });
    },
  );

  it.each(refused)('would be refused if it were $config', ({ config, says }) => {
    const { fields } = byVersion.find(({ version }) => version === '3.9.3')!;
    expect(faults(config, fields)).toEqual(says);
  });
});
