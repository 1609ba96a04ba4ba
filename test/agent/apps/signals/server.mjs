// The same from an ES module.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import loggers from './loggers.cjs';
import serve from './serve.cjs';

const [name, folder = import.meta.dirname ?? '.'] = process.argv.slice(2);
const file = createRequire(pathToFileURL(`${folder}/program.js`)).resolve(name);
serve(loggers(name, (await import(pathToFileURL(file))).default));
