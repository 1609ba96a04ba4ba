// Routes within a router, and calls of its own by http and fetch.
const http = require('http');
const express = require('express');

const app = express();
const shop = express.Router();
shop.get('/items/:id', (request, response) => response.send('item'));
shop.get('/broken', (request, response) => response.status(503).send('broken'));
app.use('/shop', shop);
app.get('/call', (request, response) => {
  const url = `http://127.0.0.1:${server.address().port}/shop/broken`;
  http.get(url, (answer) => {
    answer.resume().on('end', () =>
      fetch(url)
        .then((second) => second.text())
        .then((text) => response.send(text)),
    );
  });
});
const server = app.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
