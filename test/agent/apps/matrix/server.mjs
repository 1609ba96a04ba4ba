// The same from an ES module: packages come through import.
import clients from './clients.cjs';
import frameworks from './frameworks.cjs';

const [framework, client] = process.argv.slice(2);
const load = async (name) => {
  const namespace = await import(name);
  return namespace.default ?? namespace;
};
const port = await frameworks[framework](load, await clients[client](load));
console.log(`listening ${port}`);
