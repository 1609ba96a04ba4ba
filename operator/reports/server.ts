import express from 'express';
import type { NextFunction, Request, Response } from 'express';
import type { Logger } from 'pino';
import type { KeptReport } from './report.ts';
import { ratesOf } from './rates.ts';
import { reportSchema } from './report.ts';
import type { SpanCounts } from './spans.ts';
import { spansSince } from './spans.ts';
import type { ReportStore } from './store.ts';
import type { Identity } from './tokens.ts';

export interface ReportsOptions {
  store: ReportStore;
  identify: (token: string) => Promise<Identity | undefined>;
  /** Service account of the operator's own replicas, as a user name: they may read what this one was told. */
  peer: string;
  now: () => number;
  /** Called for each report that was taken from an agent, with what became of spans since the one before. */
  onReport: (namespace: string, spans: SpanCounts) => void;
  logger: Logger;
}

/**
 * POST /reports takes one report of an agent, for the pod that its token was made for. GET /reports?since=N gives another
 * replica what came after sequence number N.
 */
export function reportsApp({ store, identify, peer, now, onReport, logger }: ReportsOptions): express.Express {
  const server = express();
  server.disable('x-powered-by').disable('etag');
  const authenticated = async (request: Request): Promise<Identity | undefined> => {
    const [, token] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '') ?? [];
    return token === undefined ? undefined : identify(token);
  };
  server.post('/reports', express.json({ limit: '16kb', type: () => true }), async (request, response) => {
    const sender = (await authenticated(request))?.sender;
    if (!sender) {
      response.status(401).type('text').send('a token of a pod, for the audience of this service, is needed\n');
      return;
    }
    const report = reportSchema.safeParse(request.body);
    if (!report.success) {
      const [issue] = report.error.issues;
      response
        .status(400)
        .type('text')
        .send(`${issue?.path.join('.')}: ${issue?.message}\n`);
      return;
    }
    const kept: KeptReport = { ...report.data, ...sender, receivedAt: now() };
    const before = store.before(kept);
    onReport(sender.namespace, spansSince(before, kept));
    const rates = ratesOf(before, kept);
    store.put({
      ...kept,
      exporters: kept.exporters?.map((each) => {
        const rate = rates.get(each.name);
        return { ...each, ...(rate && { rate }) };
      }),
    });
    response.status(204).end();
  });
  server.get('/reports', async (request, response) => {
    if ((await authenticated(request))?.username !== peer) {
      response.status(401).type('text').send('for replicas of the operator only\n');
      return;
    }
    response.json(store.since(Number(request.query['since'] ?? 0) || 0));
  });
  server.use((error: Error & { status?: number }, _request: Request, response: Response, _next: NextFunction) => {
    const status = error.status ?? 503;
    if (status >= 500) logger.warn({ error: error.message }, 'a report could not be taken');
    response
      .status(status)
      .type('text')
      .send(status < 500 ? `${error.message}\n` : 'try again later\n');
  });
  return server;
}
