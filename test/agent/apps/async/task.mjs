// What a thread of the pool does.
export default async (url) => (await fetch(url)).text();
