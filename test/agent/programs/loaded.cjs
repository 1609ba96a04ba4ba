// Answers with the names of Node's own modules that are loaded.
const server = require('http').createServer((_request, response) => response.end(process.moduleLoadList.join()));
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
