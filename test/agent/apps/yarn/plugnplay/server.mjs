// As server.cjs, by import: of Plug'n'Play that is the work of its loader of ES modules.
import { createServer } from 'node:http';
import express from 'express';

const app = express();
app.get('/items/:id', (request, response) => response.send('found'));
const server = createServer(app).listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
