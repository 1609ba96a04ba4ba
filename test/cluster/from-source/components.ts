import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import { API_SERVICE_IP, NODE_IP, NODE_NAME, POD_SUBNET, SERVICE_SUBNET } from './settings.ts';
import type { Holder } from './certificates.ts';

/** A long-running process of the node. */
export interface Component {
  readonly name: string;
  readonly command: readonly string[];
}

/** Where a node keeps what its components read and write. */
export interface NodeFolders {
  readonly pki: string;
  readonly etcd: string;
}

const ETCD = 'http://127.0.0.1:2379';

/** The identities that Kubernetes' built-in roles are bound to, and the two servers' names. */
export const HOLDERS: readonly Holder[] = [
  {
    file: 'apiserver',
    subject: 'CN=kube-apiserver',
    names: [
      ...['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'localhost'].map(
        (value) => ({ type: 'dns', value }) as const,
      ),
      ...['127.0.0.1', API_SERVICE_IP, NODE_IP].map((value) => ({ type: 'ip', value }) as const),
    ],
  },
  { file: 'apiserver-kubelet', subject: 'CN=kube-apiserver-kubelet-client, O=system:masters' },
  { file: 'admin', subject: 'CN=admin, O=system:masters' },
  { file: 'controller-manager', subject: 'CN=system:kube-controller-manager' },
  { file: 'scheduler', subject: 'CN=system:kube-scheduler' },
  { file: 'proxy', subject: 'CN=system:kube-proxy' },
  { file: 'coredns', subject: 'CN=coredns' },
  { file: 'kubelet', subject: `CN=system:node:${NODE_NAME}, O=system:nodes`, names: [{ type: 'ip', value: NODE_IP }] },
];

/** Those who reach the API server by a kubeconfig. */
export const CLIENTS = ['admin', 'controller-manager', 'scheduler', 'proxy', 'coredns', 'kubelet'];

/** What runs before the API server answers. */
export function firstComponents(binaries: Binaries, { pki, etcd }: NodeFolders): Component[] {
  const program = (name: string) => join(binaries.kubernetes, name);
  return [
    // The data lives as long as the cluster, so waiting for the disk would only cost time.
    {
      name: 'etcd',
      command: [
        program('etcd'),
        `--data-dir=${etcd}`,
        `--listen-client-urls=${ETCD}`,
        `--advertise-client-urls=${ETCD}`,
        '--listen-peer-urls=http://127.0.0.1:2380',
        '--unsafe-no-fsync',
      ],
    },
    { name: 'containerd', command: ['containerd', `--config=${pki}/containerd.toml`] },
    {
      name: 'apiserver',
      command: [
        program('kube-apiserver'),
        `--etcd-servers=${ETCD}`,
        `--advertise-address=${NODE_IP}`,
        `--tls-cert-file=${pki}/apiserver.crt`,
        `--tls-private-key-file=${pki}/apiserver.key`,
        `--client-ca-file=${pki}/ca.crt`,
        `--kubelet-client-certificate=${pki}/apiserver-kubelet.crt`,
        `--kubelet-client-key=${pki}/apiserver-kubelet.key`,
        `--kubelet-certificate-authority=${pki}/ca.crt`,
        '--kubelet-preferred-address-types=InternalIP',
        `--service-account-key-file=${pki}/sa.pub`,
        `--service-account-signing-key-file=${pki}/sa.key`,
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-cluster-ip-range=${SERVICE_SUBNET}`,
        '--authorization-mode=Node,RBAC',
        '--enable-admission-plugins=NodeRestriction',
        '--allow-privileged=true',
      ],
    },
  ];
}

/** What needs the API server. */
export function nextComponents(binaries: Binaries, { pki }: NodeFolders): Component[] {
  const program = (name: string) => join(binaries.kubernetes, name);
  return [
    {
      name: 'controller-manager',
      command: [
        program('kube-controller-manager'),
        `--kubeconfig=${pki}/controller-manager.kubeconfig`,
        `--service-account-private-key-file=${pki}/sa.key`,
        `--root-ca-file=${pki}/ca.crt`,
        `--cluster-signing-cert-file=${pki}/ca.crt`,
        `--cluster-signing-key-file=${pki}/ca.key`,
        '--use-service-account-credentials',
        '--leader-elect=false',
        '--bind-address=127.0.0.1',
      ],
    },
    {
      name: 'scheduler',
      command: [
        program('kube-scheduler'),
        `--kubeconfig=${pki}/scheduler.kubeconfig`,
        '--leader-elect=false',
        '--bind-address=127.0.0.1',
      ],
    },
    {
      name: 'kubelet',
      command: [
        program('kubelet'),
        `--config=${pki}/kubelet.json`,
        `--kubeconfig=${pki}/kubelet.kubeconfig`,
        `--hostname-override=${NODE_NAME}`,
        `--node-ip=${NODE_IP}`,
      ],
    },
    // Connection tracking's limits belong to the whole machine: 0 leaves them as they are.
    {
      name: 'proxy',
      command: [
        program('kube-proxy'),
        `--kubeconfig=${pki}/proxy.kubeconfig`,
        `--hostname-override=${NODE_NAME}`,
        '--proxy-mode=nftables',
        `--cluster-cidr=${POD_SUBNET}`,
        '--bind-address=127.0.0.1',
        '--conntrack-max-per-core=0',
        '--conntrack-tcp-timeout-established=0',
        '--conntrack-tcp-timeout-close-wait=0',
      ],
    },
    { name: 'coredns', command: [binaries.coredns, '-conf', `${pki}/Corefile`] },
  ];
}
