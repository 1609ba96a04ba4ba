import { KubeClient } from '../operator/kube/client.ts';
import { InputError } from './input-error.ts';

/**
 * Works with the cluster of the user's kubeconfig, and with the user's own rights.
 * @throws InputError where there is none, or it does not answer.
 */
export async function withCluster<T>(work: (client: KubeClient) => Promise<T>): Promise<T> {
  const client = connect();
  try {
    return await work(client);
  } catch (error) {
    if (error instanceof InputError || error instanceof TypeError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new InputError(
      `the cluster cannot be asked: ${message}\nIs your kubeconfig right? Try: kubectl get namespaces`,
    );
  } finally {
    client.close();
  }
}

function connect(): KubeClient {
  try {
    return KubeClient.fromDefault();
  } catch (error) {
    throw new InputError(`no kubeconfig that can be used: ${error instanceof Error ? error.message : String(error)}`);
  }
}
