import { randomBytes, timingSafeEqual } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import type { ClientCredential } from '../../operator/kube/client.ts';

export interface ProxyOptions {
  /** The port of 127.0.0.1 that leads to the operator. @throws Error that says why it does not */
  upstream: () => Promise<number>;
  /** Name in the operator's certificate, and the authority that signed it: the user's credential is shown to nobody else. */
  serverName: string;
  authority: string;
  /** Asked for each request: tokens are renewed. */
  credential: () => Promise<ClientCredential>;
  /** 0: any that is free. */
  port: number;
}

export interface Proxy {
  /** Opens the page, once. */
  link: (search: string) => string;
  close(): void;
}

/** Answers of the operator that are passed on. */
const PASSED = [
  ...['content-type', 'content-security-policy', 'x-content-type-options', 'x-frame-options', 'referrer-policy'],
  ...['cross-origin-opener-policy', 'cross-origin-resource-policy', 'permissions-policy', 'cache-control'],
  'retry-after',
];

/**
 * Shows the operator's page to browsers of this machine, with the user's credential, which the browser never has. Whoever
 * has opened the link may use it: its key is good once, and is exchanged for a session that ends with this process. Requests
 * for another host than this one are refused, so that no site can have its own name lead here and read the page; and as what
 * is asked for in a header is sent by no browser of itself, other sites cannot ask for anything either.
 */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const session = secret();
  let key: string | undefined = secret();
  const agent = new https.Agent({ keepAlive: true });
  const server = http.createServer((request, response) => {
    const say = (status: number, text: string) => void response.writeHead(status, PLAIN).end(text);
    const { port } = server.address() as AddressInfo;
    if (!isOwnHost(request.headers.host, port)) return say(403, `ask for 127.0.0.1:${port}\n`);
    if (request.method !== 'GET') return say(405, 'this page only reads\n');
    const { pathname, search } = new URL(request.url ?? '/', 'http://127.0.0.1');
    if (pathname === '/open') {
      if (key === undefined || !shows(request, key)) return say(403, 'this link has been used\n');
      key = undefined;
      return say(200, session);
    }
    const isData = pathname.startsWith('/api/');
    if (isData && !shows(request, session))
      return say(401, 'open the link that kubectl tracing ui has written, or call it again');
    pass(pathname + search, isData).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else say(502, `the operator does not answer: ${error instanceof Error ? error.message : String(error)}\n`);
    });

    /** Files of the page are nobody's secret: only what they ask for is asked with the credential. */
    async function pass(path: string, isAsUser: boolean): Promise<void> {
      const { serverName, authority } = options;
      const [upstream, { token, cert, key: privateKey }] = [
        await options.upstream(),
        isAsUser ? await options.credential() : {},
      ];
      const far = https.request({
        ...{ host: '127.0.0.1', port: upstream, path, agent, servername: serverName, ca: authority },
        ...(cert && { cert, key: privateKey }),
        headers: { host: serverName, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      });
      response.on('close', () => far.destroy());
      const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
        far.on('response', resolve).on('error', reject).end();
      });
      const kept = PASSED.flatMap((name) => (answer.headers[name] === undefined ? [] : [[name, answer.headers[name]]]));
      response.writeHead(answer.statusCode!, Object.fromEntries(kept) as http.OutgoingHttpHeaders).flushHeaders();
      // A reader that is slow is waited for, all the way back to the operator.
      pipeline(answer, response, () => undefined);
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    link: (search) => `http://127.0.0.1:${port}/${search}#open=${key ?? ''}`,
    close: () => {
      server.close();
      server.closeAllConnections();
      agent.destroy();
    },
  };
}

const PLAIN = {
  'content-type': 'text/plain; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};

function secret(): string {
  return randomBytes(32).toString('base64url');
}

function isOwnHost(host: string | undefined, port: number): boolean {
  return host === `127.0.0.1:${port}` || host === `localhost:${port}`;
}

function shows({ headers }: http.IncomingMessage, wanted: string): boolean {
  const given = Buffer.from(headers.authorization ?? '');
  const right = Buffer.from(`Bearer ${wanted}`);
  return given.length === right.length && timingSafeEqual(given, right);
}
