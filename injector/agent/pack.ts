const INDEX_LIMIT = 8192;

/** A file of named pieces: one line of JSON (name -> [offset, length]), then the pieces. `register.cjs` reads it. */
export function packPieces(pieces: Map<string, Buffer>): Buffer {
  const index: Record<string, [number, number]> = {};
  let offset = 0;
  for (const [name, piece] of pieces) {
    index[name] = [offset, piece.length];
    offset += piece.length;
  }
  const head = Buffer.from(`${JSON.stringify(index)}\n`);
  if (head.length > INDEX_LIMIT)
    throw new Error(`the index of a pack may have ${INDEX_LIMIT} bytes, not ${head.length}`);
  return Buffer.concat([head, ...pieces.values()]);
}
