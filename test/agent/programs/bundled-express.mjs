import express from 'express';

const app = express();
app.get('/hello', (_request, response) => response.send('hello'));
const server = app.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
