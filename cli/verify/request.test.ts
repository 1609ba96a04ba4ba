import { describe, expect, it } from '@jest/globals';
import { ApiError } from '../../operator/kube/client.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { parseRequest, sendRequest } from './request.ts';

const REFUSED = new ApiError(
  'GET',
  '/',
  503,
  'ServiceUnavailable',
  'error trying to reach service: connection refused',
);

describe('a request that somebody has asked for', () => {
  const send = (ports?: { containerPort: number }[]) =>
    sendRequest(
      { stream: () => Promise.reject(REFUSED) } as unknown as KubeClient,
      'shop',
      { metadata: { name: 'order-1' }, spec: { containers: [{ name: 'app', ...(ports && { ports }) }] } },
      parseRequest('8080/orders'),
    );

  it('is refused where it names no port', () => {
    expect(() => parseRequest('orders')).toThrow(/e\.g\. --request 8080\/orders\/1/);
    expect(parseRequest('80')).toEqual({ port: 80, path: '' });
  });

  it('says where the pod says that it listens, when nobody answers', async () => {
    await expect(send([{ containerPort: 3000 }])).rejects.toThrow(
      /^pod order-1 does not answer at port 8080: .*connection refused.*\. Its containers name the ports 3000 \(app\)$/,
    );
    await expect(send()).rejects.toThrow(/Its containers name no ports/);
  });
});
