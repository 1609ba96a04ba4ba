import net from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { KubeClient } from '../../operator/kube/client.ts';

/** A TCP relay in front of the API server whose connections can be cut, and which can be shut for a while. */
export class Relay {
  readonly #open = new Set<net.Socket>();
  readonly #config = new KubeConfig();
  #shut = false;
  readonly #server: net.Server;

  constructor() {
    this.#config.loadFromDefault();
    const target = new URL(this.#config.getCurrentCluster()!.server);
    this.#server = net.createServer((near) => {
      if (this.#shut) return near.destroy();
      const far = net.connect(Number(target.port || 443), target.hostname);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#open.add(from);
        from.pipe(to);
        from.on('error', () => to.destroy()).on('close', () => this.#open.delete(from));
      }
    });
  }

  /** A client whose connections all go through here. */
  async client(): Promise<KubeClient> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    const server = `https://127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
    const cluster = this.#config.getCurrentCluster()!;
    const config = new KubeConfig();
    config.loadFromClusterAndUser(
      { ...cluster, server, tlsServerName: 'kubernetes.default' },
      this.#config.getCurrentUser()!,
    );
    return new KubeClient(config);
  }

  cut(shut: boolean): void {
    this.#shut = shut;
    for (const socket of this.#open) socket.destroy();
  }

  close(): void {
    this.cut(true);
    this.#server.close();
  }
}
