import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { nginxFolder } from '../cluster/servers/nginx.ts';
import { freePort } from './free-port.ts';
import { answers, startLocalServer, type LocalServer } from './local-server.ts';

/** A NGINX of Debian's package on loopback, in front of one server. */
export interface Nginx extends LocalServer {
  url: string;
}

/**
 * @param upstream `http://HOST:PORT` of the server behind it.
 * @param tracing what is in the context `http` about tracing.
 */
export async function startNginx({ upstream, tracing }: { upstream: string; tracing: string }): Promise<Nginx> {
  const port = await freePort();
  const { directory, command, args } = await written({ port, upstream: new URL(upstream).host, tracing });
  const server = await startLocalServer({
    name: 'NGINX',
    command,
    args,
    directory,
    isReady: () => answers(port),
    patienceMs: 30_000,
    signal: 'SIGTERM',
  });
  return { url: `http://127.0.0.1:${port}`, ...server };
}

/** @throws Error with what NGINX says where it does not take a configuration. */
export async function checkNginx(tracing: string): Promise<void> {
  const { directory, command, args } = await written({ port: 1, upstream: '127.0.0.1:2', tracing });
  try {
    await promisify(execFile)(command, [...args, '-t']);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Writes its configuration into a folder of its own; returns how it is started. */
async function written({ port, upstream, tracing }: { port: number; upstream: string; tracing: string }) {
  const command = join(await nginxFolder(), 'nginx');
  const directory = mkdtempSync(join(tmpdir(), 'tracing-nginx-'));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const config = `
daemon off;
worker_processes 1;
pid nginx.pid;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 512; }
http {
${temporary.map((name) => `${name}_temp_path ${name};`).join('\n')}
access_log off;
${tracing}
upstream app { server ${upstream}; keepalive 64; }
server {
listen 127.0.0.1:${port};
keepalive_requests 1000000;
location / { proxy_http_version 1.1; proxy_pass http://app; }
}
}
`;
  writeFileSync(join(directory, 'nginx.conf'), config);
  return { directory, command, args: ['-p', directory, '-c', 'nginx.conf', '-e', 'stderr'] };
}
