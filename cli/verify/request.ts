import { randomBytes } from 'node:crypto';
import { ApiError } from '../../operator/kube/client.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import type { LivePod } from '../explain/facts.ts';
import { InputError } from '../input-error.ts';

/** A request that somebody has asked for, to one pod. */
export interface OwnRequest {
  port: number;
  /** Without the slash at its beginning. */
  path: string;
}

/** Reads `8080/orders/1`. @throws InputError */
export function parseRequest(text: string): OwnRequest {
  const [, port, path = ''] = /^(\d{1,5})(?:\/(\S*))?$/.exec(text) ?? [];
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw new InputError(
      `--request ${JSON.stringify(text)}: a port of the pod and a path are expected, e.g. --request 8080/orders/1`,
    );
  return { port: Number(port), path };
}

/**
 * Sends a GET to a pod through the API server's proxy, so with the rights of whoever asks. It says that its trace is sampled, so
 * that the ratio does not stand in the way.
 * @returns the status that the app answered with.
 * @throws InputError where it may not be sent, or nobody listens there.
 */
export async function sendRequest(
  client: KubeClient,
  namespace: string,
  pod: LivePod,
  { port, path }: OwnRequest,
): Promise<number> {
  const traceparent = `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`;
  const { name } = pod.metadata;
  const where = `/api/v1/namespaces/${namespace}/pods/${name}:${port}/proxy/${path}`;
  const silent = (why: string) =>
    new InputError(`pod ${name} does not answer at port ${port}: ${why}. ${portsOf(pod)}`);
  try {
    const response = await client.stream(where, {
      accept: '*/*',
      headers: { traceparent },
      signal: AbortSignal.timeout(10_000),
    });
    response.resume();
    return response.statusCode ?? 0;
  } catch (error) {
    if (!(error instanceof ApiError)) throw silent(String(error));
    // What the app says is no Status of the API server's.
    if (error.reason === 'Unknown') return error.status;
    if (error.status === 401 || error.status === 403)
      throw new InputError(
        `you may not send requests to pods (get pods/proxy in namespace ${namespace}). Without --request it watches what comes by itself`,
      );
    throw silent(error.said);
  }
}

/** Where a pod says that it listens, as a hint. */
function portsOf({ spec }: LivePod): string {
  const said = (spec?.containers ?? []).flatMap(({ name, ports }) =>
    ((ports ?? []) as { containerPort: number }[]).map(({ containerPort }) => `${containerPort} (${name})`),
  );
  return said.length > 0
    ? `Its containers name the ports ${said.join(', ')}`
    : 'Its containers name no ports; those of its Service, e.g. kubectl get services, are a hint';
}
