// node server.cjs FRAMEWORK CLIENT [main|worker|cluster|fork]
const frameworks = require('./frameworks.cjs');
const clients = require('./clients.cjs');

const [framework, client, mode = 'main'] = process.argv.slice(2);
const say = (port) => console.log(`listening ${port}`);
// A child does not outlive its parent.
if (mode === 'fork' && process.send) process.on('disconnect', () => process.exit());

async function run() {
  const port = await frameworks[framework]((name) => require(name), await clients[client]((name) => require(name)));
  say(port);
}

const { isMainThread, Worker } = require('worker_threads');
const cluster = require('cluster');
if (mode === 'worker' && isMainThread) new Worker(__filename, { argv: process.argv.slice(2) });
else if (mode === 'cluster' && cluster.isPrimary) cluster.fork();
else if (mode === 'fork' && !process.send) require('child_process').fork(__filename, process.argv.slice(2));
else run();
