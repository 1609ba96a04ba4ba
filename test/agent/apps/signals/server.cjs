// node server.cjs LIBRARY [FOLDER]: a library of ours, or that of a folder's own node_modules.
const [name, folder = __dirname] = process.argv.slice(2);
const library = require(require.resolve(name, { paths: [folder] }));
require('./serve.cjs')(require('./loggers.cjs')(name, library));
