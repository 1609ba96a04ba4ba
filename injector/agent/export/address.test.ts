import { expect, it } from '@jest/globals';
import { candidates } from './address.ts';

const CLUSTER = 'nameserver 10.0.0.10\nsearch shop.svc.cluster.local svc.cluster.local\noptions ndots:5\n';

it.each([
  [
    'collector.observability',
    CLUSTER,
    [
      'collector.observability.shop.svc.cluster.local',
      'collector.observability.svc.cluster.local',
      'collector.observability',
    ],
  ],
  ['collector.observability.svc.cluster.local.', CLUSTER, ['collector.observability.svc.cluster.local.']],
  ['otlp.example.com', 'search example.com\n', ['otlp.example.com', 'otlp.example.com.example.com']],
  ['otlp', 'domain example.com\n', ['otlp.example.com', 'otlp']],
  ['otlp', '', ['otlp']],
])('%s stands for these names, in this order', (host, resolvConf, expected) => {
  expect(candidates(host, resolvConf)).toEqual(expected);
});
