const http = require('http');

/** /say logs a line within a request, /fail an error, /hide one that is below the logger's level. */
module.exports = (logger) => {
  const server = http.createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://here');
    await new Promise((resolve) => setTimeout(resolve, 2));
    if (pathname === '/say') {
      const self = { deep: 1 };
      if (searchParams.has('cycle')) self.self = self;
      const text = searchParams.get('text') ?? 'paid';
      logger.say(text, {
        amount: 12.5,
        card: { number: '4111' },
        items: ['a', 'b'],
        ...(searchParams.has('cycle') && { self }),
      });
    } else if (pathname === '/fail') logger.fail(new RangeError('no stock'));
    else if (pathname === '/hide') logger.hide('hidden');
    else if (pathname === '/exit') {
      logger.say('last words', {});
      setTimeout(() => process.exit(3));
    }
    response.end('ok');
  });
  server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
};
