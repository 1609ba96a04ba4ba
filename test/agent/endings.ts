/** Small programs that end in every way there is. Each must end in the same way with the agent. */
export interface Ending {
  name: string;
  /** Source of a CommonJS program (`.mjs` for an ES module). */
  source: string;
  module?: 'cjs' | 'mjs';
  args?: string[];
  nodeFlags?: string[];
  stdin?: string;
  /** Signal sent once the program has printed `ready`. */
  signal?: NodeJS.Signals;
  /** Closes our end of its stdout once it has printed `ready`. */
  closeStdout?: boolean;
  /** Older lines that cannot run it. */
  since?: number;
}

const REQUEST = `const http = require('http');
const server = http.createServer((request, response) => response.end('x'));
const ask = (done) => server.listen(0, '127.0.0.1', () =>
  http.get({ host: '127.0.0.1', port: server.address().port }, (r) => r.resume().on('end', () => { server.close(); done(); })));
`;

export const ENDINGS: Ending[] = [
  { name: 'returns', source: `console.log('done')` },
  { name: 'sets exitCode', source: `process.exitCode = 7` },
  { name: 'exits with a code', source: `process.exit(3)` },
  { name: 'exits from an exit handler', source: `process.on('exit', () => { process.exitCode = 9; })` },
  { name: 'throws at the top', source: `function fail() { throw new Error('top') }\nfail()` },
  { name: 'throws something that is no error', source: `throw { plain: true }` },
  { name: 'throws in a required file', source: `require('./thrower.cjs')` },
  { name: 'throws in a timer', source: `setTimeout(() => { throw new TypeError('late') }, 5)` },
  { name: 'throws in nextTick', source: `process.nextTick(() => { throw new Error('tick') })` },
  { name: 'has a syntax error', source: `const = 1` },
  { name: 'requires what is not there', source: `require('./missing.cjs')` },
  { name: 'requires a package that is not there', source: `require('no-such-package')` },
  { name: 'imports what is not there', module: 'mjs', source: `import 'no-such-package'` },
  { name: 'rejects and nobody cares', source: `Promise.reject(new Error('nobody'))` },
  {
    name: 'rejects with a handler',
    source: `process.on('unhandledRejection', (e) => { console.log('saw', e.message); process.exit(4) }); Promise.reject(new Error('x'))`,
  },
  {
    name: 'catches what is uncaught',
    source: `process.on('uncaughtException', (e) => console.log('saw', e.message)); setTimeout(() => { throw new Error('x') }, 5)`,
  },
  {
    name: 'monitors what is uncaught',
    source: `process.on('uncaughtExceptionMonitor', (e) => console.log('saw', e.stack)); throw new Error('x')`,
  },
  {
    name: 'goes on in beforeExit',
    source: `let n = 0; process.on('beforeExit', () => { console.log('before', n); if (n++ < 3) setTimeout(() => {}, 5) })`,
  },
  {
    name: 'goes on in beforeExit after requests',
    source: `${REQUEST}let n = 0; process.on('beforeExit', () => { console.log('before', n); if (n++ < 3) setTimeout(() => {}, 5) }); ask(() => console.log('asked'))`,
  },
  {
    name: 'counts its listeners',
    source: `for (const e of ['exit', 'beforeExit', 'SIGTERM', 'SIGINT', 'uncaughtException', 'unhandledRejection', 'warning', 'message', 'disconnect']) console.log(e, process.listenerCount(e)); console.log(process.eventNames().join())`,
  },
  {
    name: 'counts its listeners after a request',
    source: `${REQUEST}ask(() => { console.log(process.eventNames().join(), server.listenerCount('request')); })`,
  },
  {
    name: 'looks at its globals',
    source: `console.log(Object.keys(globalThis).join(), Object.keys(process.env).filter((k) => /^OTEL/.test(k)).join(), Object.keys(require.cache).length, module.children.length)`,
  },
  {
    name: 'looks at process after its spans are sent',
    source: `${REQUEST}ask(() => setTimeout(() => console.log(Object.hasOwn(process, 'emit'), process.emit.length), 1400))`,
  },
  {
    name: 'looks at its active handles',
    source: `setTimeout(() => console.log(process.getActiveResourcesInfo().filter((k) => k !== 'PipeWrap' && k !== 'TTYWrap').join()), 30)`,
  },
  {
    name: 'looks at request objects',
    source: `${REQUEST.replace("response.end('x')", "{ console.log(Object.keys(request).length, Object.keys(response).length, request.listenerCount('close'), response.listenerCount('close'), response.listenerCount('finish')); response.end('x') }")}ask(() => {})`,
  },
  {
    name: 'checks the identity of modules',
    source: `const http = require('http'); import('node:http').then((m) => console.log(m.default === http, m.request === http.request, http.request.name, http.get.length, http.createServer.toString().length, require('fs') === require('node:fs')))`,
  },
  {
    name: 'reads stdin to the end',
    stdin: 'some input',
    source: `let t = ''; process.stdin.on('data', (d) => (t += d)).on('end', () => console.log('got', t))`,
  },
  { name: 'waits for stdin and is killed', signal: 'SIGTERM', source: `process.stdin.resume(); console.log('ready')` },
  { name: 'dies by SIGTERM', signal: 'SIGTERM', source: `setInterval(() => {}, 1000); console.log('ready')` },
  { name: 'dies by SIGINT', signal: 'SIGINT', source: `setInterval(() => {}, 1000); console.log('ready')` },
  { name: 'dies by SIGHUP', signal: 'SIGHUP', source: `setInterval(() => {}, 1000); console.log('ready')` },
  {
    name: 'dies by SIGTERM after requests',
    signal: 'SIGTERM',
    source: `${REQUEST}ask(() => { setInterval(() => {}, 1000); console.log('ready') })`,
  },
  {
    name: 'handles SIGTERM',
    signal: 'SIGTERM',
    source: `const t = setInterval(() => {}, 1000); process.on('SIGTERM', () => { console.log('closing'); clearInterval(t) }); console.log('ready')`,
  },
  {
    name: 'handles SIGTERM and exits with requests under way',
    signal: 'SIGTERM',
    source: `${REQUEST}ask(() => { setInterval(() => {}, 1000); process.on('SIGTERM', () => process.exit(0)); console.log('ready') })`,
  },
  {
    name: 'ignores SIGTERM',
    signal: 'SIGTERM',
    source: `process.on('SIGTERM', () => {}); setTimeout(() => console.log('still here'), 150); console.log('ready')`,
  },
  {
    name: 'writes into a broken pipe',
    closeStdout: true,
    source: `process.stdout.on('error', (e) => process.exit(e.code === 'EPIPE' ? 5 : 6)); console.log('ready'); setInterval(() => console.log('x'.repeat(1000)), 5)`,
  },
  { name: 'has an unreffed timer', source: `setTimeout(() => console.log('never'), 1000).unref()` },
  {
    name: 'aborts a long timer',
    source: `const t = setTimeout(() => {}, 60000); setTimeout(() => clearTimeout(t), 10)`,
  },
  { name: 'runs eval', args: ['-e', 'console.log(typeof require, 1 + 1)'], source: '' },
  { name: 'prints eval', args: ['-p', '6 * 7'], source: '' },
  { name: 'throws in eval', args: ['-e', 'throw new Error("x")'], source: '' },
  { name: 'checks syntax only', nodeFlags: ['--check'], source: `console.log('not run')` },
  { name: 'prints a version', args: ['--version'], source: '' },
  { name: 'awaits at the top for ever', module: 'mjs', source: `await new Promise(() => {})` },
  { name: 'throws in an ES module', module: 'mjs', source: `function fail() { throw new Error('esm') }\nfail()` },
  {
    name: 'waits for workers',
    source: `const { Worker } = require('worker_threads'); new Worker("require('worker_threads').parentPort.postMessage(process.execArgv.length)", { eval: true }).on('message', (m) => console.log('worker', m)).on('exit', (c) => console.log('ended', c))`,
  },
  {
    name: 'a worker throws',
    source: `const { Worker } = require('worker_threads'); new Worker("throw new Error('in worker')", { eval: true }).on('error', (e) => { console.log(e.message); process.exit(8) })`,
  },
  {
    name: 'forks',
    source: `const { fork } = require('child_process'); if (process.argv[2]) { process.send('hello'); process.disconnect() } else fork(__filename, ['x']).on('message', (m) => console.log(m)).on('exit', (c, s) => console.log(c, s))`,
  },
  {
    name: 'execs itself',
    source: `const { execFileSync } = require('child_process'); console.log(execFileSync(process.execPath, ['-p', '1+1']).toString())`,
  },
  {
    name: 'throws in a request handler',
    source: `${REQUEST.replace("response.end('x')", "{ throw new Error('handler') }")}ask(() => {})`,
  },
  {
    name: 'fails to connect',
    source: `require('http').get('http://127.0.0.1:9/').on('error', (e) => { console.log(e.code); process.exit(2) })`,
  },
  { name: 'fails to connect and nobody cares', source: `require('http').get('http://127.0.0.1:9/')` },
  {
    name: 'fails to fetch',
    source: `fetch('http://127.0.0.1:9/').catch((e) => { console.log(e.message, e.cause.code); process.exitCode = 2 })`,
  },
  {
    name: 'listens on a port in use',
    source: `const a = require('net').createServer().listen(0, '127.0.0.1', () => require('http').createServer().listen(a.address().port, '127.0.0.1').on('error', (e) => { console.log(e.code); a.close() }))`,
  },
  {
    name: 'emits a warning',
    source: `process.on('warning', (w) => console.log(w.name, w.message)); process.emitWarning('careful')`,
  },
  {
    name: 'leaks listeners',
    source: `const e = new (require('events'))(); process.on('warning', (w) => console.log(w.name)); for (let i = 0; i < 12; i++) e.on('x', () => {})`,
  },
  ...['strict', 'warn', 'none', 'throw', 'warn-with-error-codes'].map((mode) => ({
    name: `rejects under --unhandled-rejections=${mode}`,
    nodeFlags: [`--unhandled-rejections=${mode}`],
    source: `Promise.reject(new Error('nobody')); setTimeout(() => console.log('later'), 20)`,
  })),
  {
    name: 'rejects and is handled late',
    source: `process.on('rejectionHandled', () => console.log('handled')).on('unhandledRejection', (e) => console.log('saw', e.message)); const p = Promise.reject(new Error('x')); setTimeout(() => p.catch(() => {}), 10)`,
  },
  {
    name: 'throws something without a prototype',
    source: `throw Object.create(null)`,
  },
  { name: 'throws undefined', source: `setImmediate(() => { throw undefined })` },
  { name: 'throws in an exit handler', source: `process.on('exit', () => { throw new Error('at exit') })` },
  {
    name: 'sees and changes its code in an exit handler after requests',
    source: `${REQUEST}process.on('exit', (code) => { console.log('code', code); process.exitCode = 13 }); ask(() => process.exit(3))`,
  },
  {
    name: 'exits within exit',
    source: `${REQUEST}process.on('exit', () => process.exit(11)); ask(() => process.exit(3))`,
  },
  {
    name: 'shows who calls its exit handler',
    source: `process.on('exit', () => console.log(new Error('here').stack)); process.exit(0)`,
  },
  {
    name: 'exits with requests under way',
    source: `${REQUEST.replace("response.end('x')", "setTimeout(() => response.end('x'), 1000)")}ask(() => {}); setTimeout(() => process.exit(6), 100)`,
  },
  {
    name: 'exits as soon as it is answered',
    source: `${REQUEST}ask(() => { console.log('bye'); process.exit(0) })`,
  },
  {
    name: 'kills itself after its cleanup, as NestJS does',
    signal: 'SIGTERM',
    source: `${REQUEST}ask(() => { setInterval(() => {}, 1000); process.once('SIGTERM', () => { console.log('cleaned'); process.kill(process.pid, 'SIGTERM') }); console.log('ready') })`,
  },
  {
    name: 'asks whether it is alive',
    source: `${REQUEST}ask(() => console.log(process.kill(process.pid, 0), process.kill.name, process.kill.length))`,
  },
  { name: 'aborts', source: `console.log('before'); process.abort()` },
  {
    name: 'overflows its stack',
    source: `const f = () => f() + 1; try { f() } catch (e) { console.log(e.name, e.message) }`,
  },
  {
    name: 'leaves through a domain',
    source: `const d = require('domain').create(); d.on('error', (e) => { console.log('domain', e.message); process.exit(12) }); d.run(() => setTimeout(() => { throw new Error('in domain') }, 5))`,
  },
  {
    name: 'a worker exits',
    source: `const { Worker } = require('worker_threads'); new Worker("process.exit(9)", { eval: true }).on('exit', (c) => { console.log(c); process.exitCode = c })`,
  },
  {
    name: 'a cluster ends',
    source: `const cluster = require('cluster'); const http = require('http');
if (cluster.isPrimary) { const w = cluster.fork(); w.on('exit', (c, s) => console.log('worker', c, s)); w.on('listening', (a) => http.get({ host: '127.0.0.1', port: a.port }, (r) => r.resume().on('end', () => w.disconnect()))) }
else http.createServer((q, r) => r.end('x')).listen(0, '127.0.0.1')`,
  },
  {
    name: 'a cluster worker is killed',
    source: `const cluster = require('cluster');
if (cluster.isPrimary) cluster.fork().on('exit', (c, s) => console.log('worker', c, s)).on('listening', (a) => cluster.workers[1].process.kill('SIGTERM'))
else require('http').createServer((q, r) => r.end('x')).listen(0, '127.0.0.1')`,
  },
  {
    name: 'a pipe of processes breaks',
    source: `const { spawn } = require('child_process'); if (process.argv[2]) { process.stdout.on('error', (e) => process.exit(e.code === 'EPIPE' ? 5 : 6)); setInterval(() => process.stdout.write('x'.repeat(4096)), 1) } else { const c = spawn(process.execPath, [__filename, 'child']); c.stdout.once('data', () => c.stdout.destroy()); c.on('exit', (code, s) => console.log(code, s)) }`,
  },
  {
    name: 'reads stdin line by line',
    stdin: 'one\ntwo\n',
    source: `const rl = require('readline').createInterface({ input: process.stdin }); rl.on('line', (l) => console.log('[' + l + ']')).on('close', () => console.log('closed'))`,
  },
  { name: 'is a program on stdin', stdin: `console.log('from stdin', process.argv.length)`, args: ['-'], source: '' },
  {
    name: 'destroys its own standard output',
    source: `process.stdout.destroy(); ${REQUEST}ask(() => process.exit(4))`,
  },
  {
    name: 'inspects process methods while spans wait',
    source: `${REQUEST}ask(() => console.log(Object.keys(process).length, Object.getOwnPropertyNames(process).filter((k) => k !== 'emit').length, process.exit.toString().length, String(process.reallyExit).slice(0, 30)))`,
  },
];
