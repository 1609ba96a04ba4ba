'use strict';
// Runs in a pod beside the probes, by `node -e PROGRAM INTERVAL_MS URL…`: asks every URL over and over, each time on a new
// connection, and prints `URL ANSWER` whenever the answer is another one than before. Ends with its standard input.
const { get } = require('node:http');

const [interval, ...urls] = process.argv.slice(1);

function watch(url) {
  let last;
  const say = (answer) => {
    if (answer !== last) process.stdout.write(`${url} ${answer}\n`);
    last = answer;
  };
  const look = () => {
    const next = performance.now() + Number(interval);
    const again = () => setTimeout(look, Math.max(0, next - performance.now()));
    const request = get(url, { agent: false, timeout: 2_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.on('end', () => {
        say(response.statusCode === 200 ? text : JSON.stringify({ error: response.statusCode }));
        again();
      });
      response.on('error', () => undefined); // cut off: `close` without `end`
      response.on('close', () => {
        if (!response.complete) again();
      });
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', (error) => {
      if (request.res) return; // the response goes on from here
      say(JSON.stringify({ error: error.message }));
      again();
    });
  };
  look();
}

for (const url of urls) watch(url);
process.stdin.resume().on('end', () => process.exit(0));
