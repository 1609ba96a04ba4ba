// The first call is made before anything else of this program has run.
import { createServer } from 'node:http';
import OpenAI from 'openai';

const completion = {
  id: 'c1',
  object: 'chat.completion',
  model: 'small',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'hello' } }],
  usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
};
const server = createServer((request, response) =>
  response.setHeader('content-type', 'application/json').end(JSON.stringify(completion)),
);
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const client = new OpenAI({ apiKey: 'none', baseURL: `http://127.0.0.1:${server.address().port}/v1` });
const answer = await client.chat.completions.create({
  model: 'small',
  messages: [{ role: 'user', content: 'secret' }],
});
console.log(answer.choices[0].message.content);
server.close();
