// Asks the database of DATABASE_URL for something that is there, and for something that is not.
const http = require('http');
const { Pool } = require('pg');

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 1 });
const server = http.createServer(async (request, response) => {
  const { rows } = await pool.query("SELECT name FROM items WHERE id = 7 AND name <> 'secret'");
  const error = await pool.query("SELECT 'secret' FROM nothing").catch((failure) => failure);
  response.end(`${rows[0].name}, then ${error.code}`);
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
