/** Takes server-sent events out of a text that comes in pieces. Pure. */
export class ServerEvents {
  #rest = '';

  /** @returns the events that are whole now. */
  take(piece: string): { name: string; data: string }[] {
    const blocks = (this.#rest + piece).split('\n\n');
    this.#rest = blocks.pop()!;
    return blocks.flatMap((block) => {
      const fields = block.split('\n').map((line) => /^(\w+): ?(.*)$/.exec(line) ?? []);
      const of = (field: string) => fields.find(([, name]) => name === field)?.[2];
      const [name, data] = [of('event'), of('data')];
      return name === undefined || data === undefined ? [] : [{ name, data }];
    });
  }
}
