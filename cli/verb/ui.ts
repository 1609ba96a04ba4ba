import { once } from 'node:events';
import { Option } from 'commander';
import { withCluster } from '../cluster.ts';
import { InputError } from '../input-error.ts';
import { findInstallation } from '../installation.ts';
import { Reading } from '../reading.ts';
import { openBrowser } from '../ui/browser.ts';
import { Forward } from '../ui/forward.ts';
import { startProxy } from '../ui/proxy.ts';
import type { End } from './verb.ts';
import { namespaceOption, verb } from './verb.ts';

interface UiFlags {
  namespace?: string;
  port: number;
  open: boolean;
}

/** Of the operator's Service. */
const PORT = 'page';

export const uiVerb = (end: End) =>
  verb({
    usage: 'ui',
    summary: 'the coverage page in a browser: all that is traced, live',
    description: `Opens the operator's coverage page: namespaces and workloads with their state, why, the policy in force and its sampling, what their agents report, meshes and recent events. It follows what happens until this command is interrupted.

It forwards a port of this machine to the operator, by kubectl port-forward, and serves the page there, to this machine alone. The page shows the namespaces in which you may list pods, ConfigMaps, events and TracingPolicies, as the role view lets you. The browser never has your credential; the link is good once.`,
    examples: [
      'kubectl tracing ui',
      'kubectl tracing ui -n shop',
      'kubectl tracing ui --port 8899 --no-open   # over SSH: ssh -L 8899:127.0.0.1:8899 HOST',
    ],
    codes: ['it was interrupted'],
  })
    .addOption(namespaceOption('shown first; left out: all that you may see'))
    .addOption(
      new Option('--port <number>', 'of 127.0.0.1; 0 is any that is free').default(0).argParser((text: string) => {
        const port = Number(text);
        if (!Number.isInteger(port) || port < 0 || port > 65_535)
          throw new InputError(`--port is a number from 0 to 65535, not ${text}, e.g. --port 8899`);
        return port;
      }),
    )
    .option('--no-open', 'write the link, and open no browser')
    .action(async (flags: UiFlags) => {
      await showPage(flags);
      end(0);
    });

async function showPage({ namespace, port, open }: UiFlags): Promise<void> {
  await withCluster(async (client) => {
    const installation = await findInstallation(new Reading(client).read);
    if (installation === 'absent') throw new InputError('the operator is not installed: helm list -A');
    if (installation?.authority === undefined)
      throw new InputError(
        'you may not see where the operator is, or by which authority it is known: that takes the right to list mutatingwebhookconfigurations. In a terminal: kubectl tracing status -n NAME',
      );
    const { name, namespace: system, authority } = installation;
    const forward = new Forward({ namespace: system, service: name, port: PORT });
    await forward.port().catch((error: Error) => {
      throw new InputError(
        `the operator's page cannot be reached: ${error.message}\nIt takes the chart's page.enabled, and the right to forward ports in namespace ${system}: kubectl auth can-i create pods/portforward -n ${system}`,
      );
    });
    const proxy = await startProxy({
      upstream: () => forward.port(),
      serverName: `${name}.${system}.svc`,
      authority,
      credential: () => client.credential(),
      port,
    }).catch((error: Error) => {
      forward.stop();
      throw new InputError(`--port ${port} cannot be used: ${error.message}`);
    });
    const link = proxy.link(namespace === undefined ? '' : `?namespace=${encodeURIComponent(namespace)}`);
    process.stdout.write(`${link}\n`);
    process.stderr.write('kubectl tracing: this link opens the page once; Ctrl-C ends it\n');
    if (open && process.stdout.isTTY) openBrowser(link);
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    proxy.close();
    forward.stop();
  });
}
