'use strict';
// Preloaded into a process of a test: on SIGUSR2 it collects its garbage and writes how many bytes its heap and its buffers
// hold into a file of HELD_DIRECTORY that is named after its process id.
const { writeFileSync } = require('node:fs');
const v8 = require('node:v8');
const { runInNewContext } = require('node:vm');

process.on('SIGUSR2', () => {
  v8.setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(`${process.env.HELD_DIRECTORY}/${process.pid}`, String(heapUsed + external));
});
