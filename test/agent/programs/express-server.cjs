const express = require('express');

const app = express();
app.use((request, response, next) => next());
app.get('/users/:id', (request, response) => response.send(`user ${request.params.id}`));
app.get('/fails', () => {
  throw new Error('no stock');
});
const server = app.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
