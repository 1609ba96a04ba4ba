import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ReportBody } from '../../injector/agent/report-body.ts';
import { reportSchema } from '../../operator/reports/report.ts';
import { issue } from '../../webhook/certificates.ts';

/** Takes reports as the operator does, and keeps them. */
export class Operator {
  readonly reports: ReportBody[] = [];
  private readonly server: Server;
  private readonly ca: string;

  private constructor(server: Server, ca: string) {
    this.server = server;
    this.ca = ca;
  }

  static async start(): Promise<Operator> {
    const { ca, certificate, privateKey } = await issue(['localhost'], Date.now());
    const server = createServer({ cert: certificate, key: privateKey });
    const operator = new Operator(server, ca);
    server.on('request', (request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        operator.reports.push(reportSchema.parse(JSON.parse(body)) as ReportBody);
        response.writeHead(204).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return operator;
  }

  /** What a policy directory has of it. */
  get files(): Record<string, string> {
    const url = `https://localhost:${(this.server.address() as AddressInfo).port}/reports`;
    return { 'operator.json': JSON.stringify({ url, ca: this.ca }), token: 'token' };
  }

  /** The first report that says that this revision is in force: a process sends one soon after each change. */
  async reportOf(revision: string, millis = 20_000): Promise<ReportBody> {
    for (const end = Date.now() + millis; ;) {
      const found = this.reports.find((report) => report.revision === revision);
      if (found) return found;
      if (Date.now() > end)
        throw new Error(`no report of ${revision}, only of ${this.reports.map((r) => r.revision).join()}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
