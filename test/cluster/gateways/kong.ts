import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from '../cache.ts';
import { run } from '../command.ts';
import { goBuildModule } from '../go.ts';

const VERSION = 'v3.4.0';
const SOURCE = join(import.meta.dirname, 'kong/main.go');

/** A plug-in as Kong is given it. */
export interface KongEntry {
  name: string;
  config?: Record<string, unknown>;
  /** For what it is, by name; for the whole gateway where neither is there. */
  route?: string;
  service?: string;
}

/** What Kong's ingress controller makes of objects. */
export interface KongTranslation {
  configuration: {
    services?: { name: string; routes?: { name: string; paths?: string[] }[] }[];
    plugins?: KongEntry[];
  };
  /** What it would tell owners in events. */
  failures: string[];
}

/**
 * What Kong's ingress controller would configure its gateway with: by its own translator, without a gateway.
 * @param className of the Ingresses that it serves
 */
export async function translateForKong(className: string, objects: readonly object[]): Promise<KongTranslation> {
  const program = join(await kongTranslatorFolder(), 'translation');
  return JSON.parse(
    await run(program, [], { input: JSON.stringify({ class: className, objects }) }),
  ) as KongTranslation;
}

/** Which plug-in is on what, sorted. */
export function placedIn({ plugins = [] }: KongTranslation['configuration']): string[] {
  const where = ({ route, service }: KongEntry) =>
    route !== undefined ? `route ${route}` : service !== undefined ? `service ${service}` : 'all';
  return plugins.map((each) => `${each.name} on ${where(each)}`).sort();
}

/** The folder of the program that translates, in the cache. */
export function kongTranslatorFolder(): Promise<string> {
  const source = readFileSync(SOURCE, 'utf8');
  return cached({
    name: `kong-translator-${VERSION}`,
    recipe: [process.arch, source],
    title: `building the translator of Kong's ingress controller ${VERSION}`,
    usually: '2 to 4 min on two cores, once',
    make: (dir, log) =>
      goBuildModule(`github.com/kong/kubernetes-ingress-controller/v3@${VERSION}`, {
        package: './cmd/translation',
        output: join(dir, 'translation'),
        ldflags: '-s -w',
        log,
        files: { 'cmd/translation/main.go': source },
      }),
  });
}
