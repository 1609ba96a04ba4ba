import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openCluster, type Cluster } from '../cluster/cluster.ts';
import { untilUsable } from './installation.ts';
import { buildImage } from '../cluster/images.ts';

const DOCKERFILE = `FROM node:24-slim
WORKDIR /app
COPY server.js ./
RUN test -f server.js && node --version > built-by
USER node
CMD ["node", "server.js"]
`;
const SERVER = `require('node:http')
  .createServer((request, response) => response.end('answer to ' + request.url))
  .listen(8080, () => console.log('listening as user ' + process.getuid() + ' on ' + process.version));
`;

/** The cluster itself: what every other test that runs pods takes for granted. */
describe('a pod from an image that was built here', () => {
  const namespace = `cluster-${randomBytes(3).toString('hex')}`;
  const ref = 'test/cluster:1';
  let cluster: Cluster;
  let folder: string;

  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const inPod = (...command: string[]) => kubectl('exec', 'server', '--', ...command);

  beforeAll(async () => {
    cluster = await openCluster();
    folder = mkdtempSync(join(tmpdir(), 'cluster-test-'));
    writeFileSync(join(folder, 'Dockerfile'), DOCKERFILE);
    writeFileSync(join(folder, 'server.js'), SERVER);
    await cluster.load(await buildImage({ ref, dockerfile: join(folder, 'Dockerfile'), context: folder }));
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await untilUsable(cluster, namespace, 20_000);
    await cluster.run('kubectl', ['apply', '-f', '-'], { input: JSON.stringify(objects(namespace, ref)) });
    await kubectl('wait', 'pod/server', '--for=condition=Ready', '--timeout=60s');
  }, 120_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
    rmSync(folder, { recursive: true, force: true });
  }, 30_000);

  it('runs as the image says, and its log can be read', async () => {
    expect(await kubectl('logs', 'server')).toMatch(/^listening as user 1000 on v24\.\d+\.\d+$/m);
  });

  it('has what a RUN instruction made', async () => {
    expect(await inPod('cat', '/app/built-by')).toMatch(/^v24\./);
  });

  it('finds a Service by its name, short and full', async () => {
    const address = (await kubectl('get', 'service', 'answers', '-o', 'jsonpath={.spec.clusterIP}')).trim();
    const lookup =
      "require('node:dns').lookup(process.argv[1], (error, address) => console.log(error?.code ?? address))";
    for (const name of ['answers', `answers.${namespace}`, `answers.${namespace}.svc.cluster.local`]) {
      expect((await inPod('node', '-e', lookup, name)).trim()).toBe(address);
    }
    expect((await inPod('node', '-e', lookup, 'nothing-of-that-name')).trim()).toBe('ENOTFOUND');
  });

  it('is reached through its Service', async () => {
    expect(await inPod('wget', '-q', '-O', '-', `http://answers.${namespace}/question`)).toBe('answer to /question');
  });

  it('is killed when it writes more than its limit for the disk', async () => {
    await inPod('sh', '-c', 'dd if=/dev/zero of=/tmp/much bs=1M count=40 2> /dev/null');
    await kubectl('wait', 'pod/server', '--for=jsonpath={.status.reason}=Evicted', '--timeout=100s');
  }, 120_000);
});

function objects(namespace: string, image: string): unknown {
  const labels = { app: 'server' };
  const container = {
    name: 'server',
    image,
    imagePullPolicy: 'IfNotPresent',
    resources: { limits: { 'ephemeral-storage': '20Mi' } },
    readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
  };
  const ports = [{ port: 80, targetPort: 8080 }];
  const items = [
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'server', namespace, labels },
      spec: { containers: [container] },
    },
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'answers', namespace }, spec: { selector: labels, ports } },
  ];
  return { apiVersion: 'v1', kind: 'List', items };
}
