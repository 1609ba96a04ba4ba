import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { CHART, VERSION } from './chart.ts';

const CHART_DIRECTORY = new URL('../charts/tracing-operator/', import.meta.url);
const read = (name: string) => load(readFileSync(new URL(name, CHART_DIRECTORY), 'utf8')) as Record<string, unknown>;

it('has the version of the chart', () => expect(read('Chart.yaml')['appVersion']).toBe(VERSION));

it('takes for granted what the chart says by default', () => {
  const { agent, defaultPolicy } = read('values.yaml') as {
    agent: { image: { repository: string; tag: string; pullPolicy: string } };
    defaultPolicy: unknown;
  };
  const { repository, tag, pullPolicy } = agent.image;
  expect(CHART).toEqual({
    agentImage: `${repository}:${tag || String(read('Chart.yaml')['appVersion'])}`,
    agentImagePullPolicy: pullPolicy,
    defaultPolicy,
  });
});
