module.exports = { mode: 'production', entry: './ask.cjs', target: 'node', output: { path: process.env.OUT } };
