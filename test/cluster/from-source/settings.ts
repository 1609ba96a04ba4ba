import { existsSync } from 'node:fs';

/** Addresses inside the cluster's own network namespace; every cluster has the same ones and none sees another's. */
export const NODE_NAME = 'node1';
export const NODE_IP = '10.88.0.1';
export const POD_SUBNET = '10.88.0.0/16';
export const SERVICE_SUBNET = '10.96.0.0/16';
export const API_SERVICE_IP = '10.96.0.1';
export const DNS_SERVICE_IP = '10.96.0.10';
export const API_SERVER = `https://${NODE_IP}:6443`;
export const CLUSTER_DOMAIN = 'cluster.local';
export const PAUSE_IMAGE = 'localhost/pause:1';

/** A kubeconfig (JSON is YAML) for the holder of a certificate in `pki`. */
export function kubeconfig(pki: string, holder: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': holder,
    contexts: [{ name: holder, context: { cluster: 'cluster', user: holder } }],
    clusters: [{ name: 'cluster', cluster: { server: API_SERVER, 'certificate-authority': `${pki}/ca.crt` } }],
    users: [
      { name: holder, user: { 'client-certificate': `${pki}/${holder}.crt`, 'client-key': `${pki}/${holder}.key` } },
    ],
  });
}

/**
 * containerd's settings. Its folders are the usual ones: the node has its own /run and /var/lib. The kernel of a small
 * virtual machine may refuse a lower out-of-memory score, hence `restrict_oom_score_adj`.
 */
export function containerdSettings(): string {
  const plugins = existsSync('/usr/lib/cni/bridge') ? '/usr/lib/cni' : '/opt/cni/bin';
  return `version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${plugins}"
    conf_dir = "/var/lib/cni/conf"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
`;
}

/** The pods' network: a bridge in the cluster's network namespace. */
export function networkSettings(): string {
  const ranges = [[{ subnet: POD_SUBNET, gateway: NODE_IP }]];
  const ipam = { type: 'host-local', ranges, routes: [{ dst: '0.0.0.0/0' }] };
  const bridge = { type: 'bridge', bridge: 'cni0', isGateway: true, hairpinMode: true, ipam };
  return JSON.stringify({ cniVersion: '0.4.0', name: 'pods', plugins: [bridge] });
}

/**
 * kubelet's settings: defaults wherever users measure something. Images are never collected, as there is nowhere to
 * fetch them from again.
 */
export function kubeletSettings(pki: string, cgroup: string): string {
  return JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: NODE_IP,
    tlsCertFile: `${pki}/kubelet.crt`,
    tlsPrivateKeyFile: `${pki}/kubelet.key`,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: `${pki}/ca.crt` },
    },
    authorization: { mode: 'Webhook' },
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${cgroup}`,
    clusterDNS: [DNS_SERVICE_IP],
    clusterDomain: CLUSTER_DOMAIN,
    resolvConf: `${pki}/resolv.conf`,
    failSwapOn: false,
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    imageGCHighThresholdPercent: 100,
  });
}

/** CoreDNS knows the cluster's own names only; it says of every other that it does not exist, as there is no way out. */
export function corednsSettings(kubeconfigPath: string): string {
  return `.:53 {
  errors
  ready 127.0.0.1:8181
  kubernetes ${CLUSTER_DOMAIN} in-addr.arpa {
    kubeconfig ${kubeconfigPath}
  }
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`;
}

/** What makes the DNS process a Service, and what it may read. */
export function dnsObjects(): string {
  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 53, protocol: 'TCP' },
  ];
  const metadata = { name: 'kube-dns', namespace: 'kube-system' };
  const items = [
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { clusterIP: DNS_SERVICE_IP, ports } },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'kube-dns' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [NODE_IP] }],
      ports,
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'coredns' },
      rules: [
        { apiGroups: [''], resources: ['services', 'pods', 'namespaces', 'endpoints'], verbs: ['list', 'watch'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
      ],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'coredns' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'coredns' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'coredns' }],
    },
  ];
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}
