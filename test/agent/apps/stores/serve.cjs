// Answers GET /NAME with what the work of that name gives.
const { createServer } = require('http');

exports.serve = (works) => {
  const server = createServer(async (request, response) => {
    try {
      response.end(JSON.stringify((await works[request.url.slice(1)]()) ?? null));
    } catch (error) {
      response.statusCode = 500;
      response.end(JSON.stringify(`${error.code ?? error.name}: ${error.message}`));
    }
  });
  server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
};
