/** How the reviews' pods ask, so that both webhooks have something to do with each. */
const ASKS = { 'tracing.acme/inject': 'true', 'instrumentation.opentelemetry.io/inject-nodejs': 'true' };

export interface ReviewOptions {
  namespace: string;
  /** A ReplicaSet that is there: opentelemetry-operator looks it up. */
  owner: { name: string; uid: string; hash: string };
  /** Which annotation the pods have; the two webhooks leave alone what asks the other. */
  asks: 'ours' | 'theirs';
}

/** A pod as a ReplicaSet's controller makes it, of about so many bytes: it grows by containers with their environment. */
function pod(bytes: number, { namespace, owner, asks }: ReviewOptions) {
  const [ours, theirs] = Object.entries(ASKS);
  const container = (name: string, variables: number) => ({
    name,
    image: `registry.example.com/shop/${name}:1.2.3`,
    env: [...Array(variables).keys()].map((i) => ({ name: `VARIABLE_${i}`, value: `the value of variable ${i}` })),
    ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
    volumeMounts: [
      { name: 'kube-api-access-x7k2p', readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
    ],
    livenessProbe: { httpGet: { path: '/healthz', port: 8080, scheme: 'HTTP' }, periodSeconds: 10, timeoutSeconds: 1 },
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: 'IfNotPresent',
  });
  const token = { expirationSeconds: 3607, path: 'token' };
  const made = {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      generateName: `${owner.name}-`,
      namespace,
      creationTimestamp: null,
      labels: { app: 'order', 'pod-template-hash': owner.hash },
      annotations: Object.fromEntries([(asks === 'ours' ? ours : theirs)!]),
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: owner.name,
          uid: owner.uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
      managedFields: [
        {
          manager: 'kube-controller-manager',
          operation: 'Update',
          apiVersion: 'v1',
          time: '2026-01-01T00:00:00Z',
          fieldsType: 'FieldsV1',
          fieldsV1: {
            'f:metadata': { 'f:generateName': {}, 'f:labels': { '.': {}, 'f:app': {}, 'f:pod-template-hash': {} } },
            'f:spec': {
              'f:containers': { 'k:{"name":"app"}': { '.': {}, 'f:env': {}, 'f:image': {}, 'f:name': {} } },
              'f:dnsPolicy': {},
              'f:restartPolicy': {},
              'f:schedulerName': {},
            },
          },
        },
      ],
    },
    spec: {
      volumes: [{ name: 'kube-api-access-x7k2p', projected: { sources: [{ serviceAccountToken: token }] } }],
      containers: [container('app', 8)],
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      serviceAccountName: 'default',
      securityContext: {},
      schedulerName: 'default-scheduler',
      enableServiceLinks: true,
      preemptionPolicy: 'PreemptLowerPriority',
    },
    status: {},
  };
  for (let i = 0; JSON.stringify(made).length < bytes; i++)
    if (i % 200 === 0 && i > 0) made.spec.containers.push(container(`more-${i}`, 0));
    else made.spec.containers.at(-1)!.env.push({ name: `MORE_${i}`, value: `something of the usual length ${i}` });
  return made;
}

/** The body of the request that the API server sends when such a pod is made. */
export function review(kilobytes: number, options: ReviewOptions): Buffer {
  const user = {
    username: 'system:serviceaccount:kube-system:replicaset-controller',
    groups: ['system:authenticated'],
  };
  return Buffer.from(
    JSON.stringify({
      kind: 'AdmissionReview',
      apiVersion: 'admission.k8s.io/v1',
      request: {
        uid: '3f6f4bd0-5c5f-4f6e-8a59-3d0e6b4f0c11',
        kind: { group: '', version: 'v1', kind: 'Pod' },
        resource: { group: '', version: 'v1', resource: 'pods' },
        requestKind: { group: '', version: 'v1', kind: 'Pod' },
        requestResource: { group: '', version: 'v1', resource: 'pods' },
        namespace: options.namespace,
        operation: 'CREATE',
        userInfo: user,
        object: pod(kilobytes * 1000, options),
        oldObject: null,
        dryRun: false,
        options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
      },
    }),
  );
}
