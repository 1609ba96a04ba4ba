import { Argument } from 'commander';
import { given, read, shown } from '../file.ts';
import { edgeOf } from '../gateway/edge.ts';
import { envoyConfig } from '../gateway/envoy.ts';
import { nginxConfig } from '../gateway/nginx.ts';
import type { End, ExitCode } from './verb.ts';
import { namespaceOption, once, verb } from './verb.ts';

type Proxy = 'nginx' | 'envoy';

interface GatewayFlags {
  filename?: string;
  namespace?: string;
}

export const gatewayVerb = (end: End) =>
  verb({
    usage: 'gateway',
    summary: "configuration of an NGINX or Envoy at the edge, by a policy's sampling",
    description: `Writes to standard output what an NGINX or an Envoy that no controller configures is to be told, so that traces begin at the edge, are sampled once, by the policy's ratio, and join up with the services behind it.

A context that comes with a request is kept, unless the policy says gateway.trustIncoming: false. Baggage goes by the policy's propagators and baggage. Where the policy decides by more than a ratio no trace begins at the edge: the services decide.

Fields that the policy leaves out are those of the chart. The proxy follows no change of the policy by itself: write its configuration anew, and reload it.`,
    examples: [
      'kubectl tracing gateway nginx -f policy.yaml > /etc/nginx/conf.d/tracing.conf',
      'kubectl tracing gateway envoy -f policy.yaml',
      'kubectl get tracingpolicy default -n shop -o yaml |\n    kubectl tracing gateway nginx -f -',
    ],
    codes: ['the configuration is written'],
  })
    .addArgument(new Argument('<proxy>', 'which one stands there').choices(['nginx', 'envoy']))
    .addOption(once('-f, --filename <file>', 'TracingPolicies and ClusterTracingPolicies; - for standard input'))
    .addOption(namespaceOption("the services'; left out: that of the TracingPolicies in the file"))
    .action((proxy: Proxy, flags: GatewayFlags) => end(write(proxy, flags)));

const CONFIGS: Record<Proxy, (text: string, file: string, namespace?: string) => string> = {
  nginx: (...policy) => nginxConfig(edgeOf('NGINX', ...policy)),
  envoy: (...policy) => envoyConfig(edgeOf('Envoy', ...policy)),
};

function write(proxy: Proxy, { filename, namespace }: GatewayFlags): ExitCode {
  const file = given(filename, '-f', '-f policy.yaml');
  process.stdout.write(CONFIGS[proxy](read(file), shown(file), namespace));
  return 0;
}
