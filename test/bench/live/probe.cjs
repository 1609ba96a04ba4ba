'use strict';
// Runs in a traced pod, by `node -e`, and knows nothing of tracing. `/` answers with whether the request it answers is
// sampled: what the agent wrote into the headers of a request made on its behalf, to this very server, tells.
const { createServer, get } = require('node:http');
const { hostname } = require('node:os');

const port = Number(process.env.PORT);

function answer(response, body) {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(body));
}

/** The sampled flag of a `traceparent`; null where there is none. https://www.w3.org/TR/trace-context/#sampled-flag */
function sampledFlag(traceparent) {
  const flags = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-([0-9a-f]{2})/.exec(traceparent ?? '')?.[1];
  return flags === undefined ? null : (parseInt(flags, 16) & 1) === 1;
}

createServer((request, response) => {
  if (request.url === '/ready') return answer(response, {});
  if (request.url === '/headers') return answer(response, { sampled: sampledFlag(request.headers.traceparent) });
  get({ host: '127.0.0.1', port, path: '/headers' }, (own) => {
    let text = '';
    own.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    own.on('end', () => answer(response, { pod: hostname(), ...JSON.parse(text) }));
  }).on('error', (error) => {
    response.statusCode = 500;
    answer(response, { error: error.message });
  });
}).listen(port);

// The first process of a container gets no default action for signals.
process.on('SIGTERM', () => process.exit(0));
