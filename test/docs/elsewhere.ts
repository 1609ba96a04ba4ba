/**
 * Blocks of commands that test/e2e/guides.test.ts does not type, by page and, after a colon, by how they begin: why, and which test does
 * what they say. A page alone stands for all of its blocks.
 */
export const ELSEWHERE: Record<string, string> = {
  'CONTRIBUTING.md': "work on the checkout itself; the cluster's own commands: test/e2e/cluster.test.ts",
  'README.md:make demo': 'needs a cluster of its own for minutes; what it does: test/e2e/servers/shop.test.ts',
  'README.md:make demo-shell': 'opens a shell for people',
  'README.md:kubectl -n shop get pods -L':
    "is for the demo's cluster; place-order and what it prints: test/e2e/servers/shop.test.ts",
  'README.md:make build':
    'needs a registry; the images and the chart: test/release/release.test.ts, test/e2e/alone/chart.test.ts',
  'README.md:kubectl apply -f - <<EOF':
    'switches off what other tests of this cluster trace: test/e2e/alone/policies.test.ts applies such a policy',
  'README.md:make help': 'tests and figures themselves',
  'charts/tracing-operator/README.md:helm install': 'how each test has its operator: test/e2e/alone/chart.test.ts',
  'charts/tracing-operator/README.md:kubectl delete crd':
    'takes the policies of other tests away: test/e2e/alone/lifecycle.test.ts',
  'docs/guides/alerts.md:helm upgrade': 'another installation: test/e2e/alone/chart-options.test.ts',
  'docs/guides/coverage-page.md:kubectl tracing ui':
    'runs until it is ended: test/e2e/kubectl-tracing.test.ts opens the page',
  'docs/guides/first-trace.md:make build': 'no cluster: test/agent/kubectl-run.test.ts',
  'docs/guides/from-opentelemetry-operator.md:helm upgrade': 'another installation: test/e2e/alone/take-over.test.ts',
  'docs/guides/ingress-nginx.md:helm upgrade': 'another installation: test/e2e/alone/gateways.test.ts',
  'docs/guides/ingress-nginx.md:kubectl -n shop annotate ingress':
    'opens an editor for the ConfigMap of an ingress-nginx: test/e2e/alone/gateways.test.ts takes the same away by a policy',
  'docs/guides/istio.md:kubectl -n shop get pod order':
    'needs an Istio without Telemetries: test/e2e/servers/istio.test.ts',
  'docs/guides/istio.md:kubectl -n shop exec order':
    'needs a sidecar: test/e2e/servers/istio.test.ts reads the same of it',
  'docs/guides/kong.md:helm upgrade': 'another installation: test/e2e/alone/gateways.test.ts',
  'docs/guides/kong.md:kubectl -n shop get kongplugin': "needs Kong's definitions: test/e2e/alone/gateways.test.ts",
  'docs/guides/kong.md:for each in': "needs Kong's definitions: test/e2e/alone/gateways.test.ts",
  'docs/guides/linkerd.md:kubectl get namespace shop': 'needs a Linkerd: test/e2e/alone/annotated-namespaces.test.ts',
  'docs/guides/linkerd.md:kubectl -n shop get pod': 'needs a Linkerd, which is in no registry',
  'docs/guides/upgrade.md:helm upgrade': 'restarts the operator under other tests: test/e2e/alone/lifecycle.test.ts',
  'docs/guides/upgrade.md:helm uninstall': 'takes the operator away: test/e2e/alone/lifecycle.test.ts',
  'docs/guides/upgrade.md:kubectl delete crd': 'takes all policies away: test/e2e/alone/lifecycle.test.ts',
  'docs/reference/cli.md:make build':
    "puts a link into the machine's PATH; the plug-in there: test/e2e/kubectl-tracing.test.ts",
  'examples/shop/README.md': 'the same as make demo, by hand: test/e2e/servers/shop.test.ts',
};

/** What ELSEWHERE says of a block; undefined where it does not name it. */
export function elsewhere({ page, text }: { page: string; text: string }): string | undefined {
  const found = Object.entries(ELSEWHERE).find(([key]) => key === page || `${page}:${text}`.startsWith(key));
  return found?.[1];
}
