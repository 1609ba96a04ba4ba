import { pino } from 'pino';
import { KubeClient } from '../../operator/kube/client.ts';
import { LeaderElector, NotLeadingError } from '../../operator/leader/lease.ts';

/**
 * A replica as a process of its own, to be killed and frozen: `elector.ts NAMESPACE LEASE IDENTITY`. While it leads it
 * writes without pause. It prints a line for whatever happens.
 */
const [namespace = '', lease = '', identity = ''] = process.argv.slice(2);
const print = (what: string) => void process.stdout.write(`${Date.now()} ${what}\n`);
const client = KubeClient.fromDefault();

const elector = new LeaderElector({
  client,
  namespace,
  lease,
  owners: () => [],
  identity,
  logger: pino({ level: 'silent' }),
  onStartedLeading: (signal) => {
    print('leads');
    void work(signal);
  },
  onStoppedLeading: (why) => print(why),
});

const guarded = client.guarded(() => {
  elector.assertLeading();
  print('writes');
});

async function work(signal: AbortSignal): Promise<void> {
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'written-' } };
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  try {
    while (!signal.aborted) await guarded.request('POST', path, { body, query: { dryRun: 'All' } });
  } catch (error) {
    print(error instanceof NotLeadingError ? 'refused' : String(error));
  }
}

process.on('SIGTERM', () => void elector.stop().then(() => process.exit(0)));
elector.start();
print('follows');
