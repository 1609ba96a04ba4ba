/** The images that a Dockerfile builds upon: not its own earlier stages, nor `scratch`. */
export function baseImages(dockerfile: string, buildArguments: Readonly<Record<string, string>> = {}): string[] {
  const values: Record<string, string> = {};
  const stages = new Set<string>();
  const bases = new Set<string>();
  const instructions = dockerfile.replace(/\\\r?\n/g, ' ').split(/\r?\n/);
  for (const instruction of instructions) {
    const [keyword = '', ...words] = instruction.trim().split(/\s+/);
    if (/^ARG$/i.test(keyword) && bases.size + stages.size === 0) {
      const [name = '', value = ''] = (words[0] ?? '').split('=');
      values[name] = buildArguments[name] ?? value.replace(/^"(.*)"$/, '$1');
    }
    if (/^FROM$/i.test(keyword)) {
      const [image = '', as = '', stage = ''] = words.filter((word) => !word.startsWith('--'));
      const name = image.replace(/\$\{?(\w+)\}?/g, (_, variable: string) => values[variable] ?? '');
      if (name !== 'scratch' && !stages.has(name)) bases.add(name);
      if (/^as$/i.test(as)) stages.add(stage);
    }
    const copied = /^COPY$/i.test(keyword) ? words.find((word) => word.startsWith('--from='))?.slice(7) : undefined;
    if (copied !== undefined && !/^\d+$/.test(copied) && !stages.has(copied)) bases.add(copied);
  }
  return [...bases];
}
