import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from '@jest/globals';
import { runNode, startServer, type Ended, type RunningServer, type Start } from '../process.ts';
import { Sink } from '../sink.ts';
import { countOf, treeOf } from './tree.ts';

const PATIENCE_MILLIS = 20_000;
/** A span too many would be here by then. */
const QUIET_MILLIS = 200;

/** Programs under the agent that send to one sink, and what is expected of their spans. */
export class Scene {
  readonly sink: Sink;
  private readonly servers: RunningServer[] = [];

  private constructor(sink: Sink) {
    this.sink = sink;
  }

  static async open(): Promise<Scene> {
    return new Scene(await Sink.start());
  }

  /** Starts a server; its service's name is in the tree. */
  async server(service: string, start: Start): Promise<RunningServer> {
    const server = await startServer({ timeoutMillis: 60_000, ...start, env: this.env(service, start) });
    this.servers.push(server);
    return server;
  }

  /** Runs a program to its end. */
  run(service: string, start: Start): Promise<Ended> {
    return runNode({ timeoutMillis: 60_000, ...start, env: this.env(service, start) });
  }

  /** Forgets what the programs have done so far, once nothing more of it arrives. */
  async settled(): Promise<void> {
    const { spans } = this.sink;
    let before: number;
    do {
      before = spans.length;
      await new Promise((resolve) => setTimeout(resolve, 2 * QUIET_MILLIS));
    } while (spans.length > before);
    spans.length = 0;
  }

  /**
   * Compares all spans received since the scene was opened or was last compared with a file beside the test.
   * `UPDATE_FIXTURES=1` writes it anew.
   */
  async expectTree(golden: string, masks: [RegExp, string][] = []): Promise<void> {
    const isUpdate = process.env['UPDATE_FIXTURES'] !== undefined;
    const expected = existsSync(golden) ? readFileSync(golden, 'utf8') : '';
    const count = countOf(expected);
    const { spans } = this.sink;
    for (const end = Date.now() + PATIENCE_MILLIS; !isUpdate && spans.length < count && Date.now() < end;)
      await new Promise((resolve) => setTimeout(resolve, 20));
    await new Promise((resolve) => setTimeout(resolve, isUpdate ? 10 * QUIET_MILLIS : QUIET_MILLIS));
    const tree = treeOf(spans.splice(0), masks);
    for (const server of this.servers) expect(server.output()).not.toContain('tracing-operator:');
    if (isUpdate) writeFileSync(golden, tree);
    else expect(tree).toBe(expected);
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop('SIGKILL')));
    await this.sink.stop();
  }

  private env(service: string, start: Start): Record<string, string> {
    return {
      OTEL_EXPORTER_OTLP_ENDPOINT: this.sink.url,
      OTEL_SERVICE_NAME: service,
      OTEL_BSP_SCHEDULE_DELAY: '20',
      ...start.env,
    };
  }
}
