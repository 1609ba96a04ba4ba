'use strict';
// Run by each Node that gets compiled code (build.ts): loads the agent as a process does, uses it, and writes what V8
// compiled on the way.   node warm.cjs AGENT_DIRECTORY OUTPUT_FILE [PIECE_TO_LEAVE_OUT...]
const [directory, output, ...without] = process.argv.slice(2);
const fs = require('fs');
const vm = require('vm');

const scripts = new Map();
const { Script } = vm;
vm.Script = class extends Script {
  constructor(source, options) {
    super(source, options);
    scripts.set(require('path').basename(options.filename, '.js'), this);
  }
};

// Spans of the rehearsal go to a server of our own.
const http = require('http');
const sink = http.createServer((request, response) => request.resume().on('end', () => response.end()));
sink.listen(0, '127.0.0.1', () => {
  const port = sink.address().port;
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = `http://127.0.0.1:${port}`;
  process.env.OTEL_BSP_SCHEDULE_DELAY = '10';
  require(`${directory}/register.cjs`);
  const { agent } = globalThis[Symbol.for('tracing.acme.agent')];
  rehearse(agent, port).then(write, (error) => {
    console.error(error);
    process.exit(1);
  });
});

async function rehearse(agent, port) {
  const headers = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };
  for (let i = 0; i < 20; i++) {
    await new Promise((resolve, reject) => {
      const request = http.get(
        { host: '127.0.0.1', port, path: '/rehearsal?a=b', headers: i % 2 ? headers : {} },
        (response) => response.resume().on('end', resolve),
      );
      request.on('error', reject);
    });
  }
  await (await fetch(`http://127.0.0.1:${port}/rehearsal`)).text();
  agent.libraries.rehearse();
  // One batch at least has to be on its way.
  await new Promise((resolve) => setTimeout(resolve, 300));
}

function write() {
  const pieces = [...scripts]
    .filter(([name]) => !without.includes(name))
    .map(([name, script]) => [name, script.createCachedData()]);
  const index = {};
  let offset = 0;
  for (const [name, data] of pieces) {
    index[name] = [offset, data.length];
    offset += data.length;
  }
  const head = Buffer.from(`${JSON.stringify(index)}\n`);
  fs.writeFileSync(output, Buffer.concat([head, ...pieces.map(([, data]) => data)]));
  process.exit(0);
}
