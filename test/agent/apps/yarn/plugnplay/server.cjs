// There is no node_modules folder: Yarn's own loader finds the packages, in archives.
const express = require('express');
const app = express();
app.get('/items/:id', (request, response) => response.send('found'));
const server = app.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
