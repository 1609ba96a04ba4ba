/** What a test wants its pod to have besides. */
export interface PodOptions {
  annotations?: Record<string, string>;
  container?: Record<string, unknown>;
  spec?: Record<string, unknown>;
}

/** A pod of one container `app` that runs Node.js and nothing else, labeled `app: NAME`, gone at once when it is deleted. */
export function nodePod(image: string, name: string, { annotations = {}, container = {}, spec = {} }: PodOptions = {}) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name }, annotations },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'app',
          image,
          imagePullPolicy: 'IfNotPresent',
          command: ['node', '-e', 'setInterval(() => {}, 1000)'],
          ...container,
        },
      ],
      ...spec,
    },
  };
}
