import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { run } from './command.ts';
import { goBuildModule } from './go.ts';
import { unpackPythonPackage } from './python-package.ts';

const MODULE = 'github.com/yannh/kubeconform@v0.8.0';
/** The JSON schemas of Kubernetes 1.25 to 1.37, made from its own OpenAPI documents. */
const SCHEMAS = {
  name: 'kubernetes-validate',
  version: '1.37.0',
  sha256: '85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9',
} as const;
/** Of Kubernetes 1.N, for each N. Unknown fields are refused. */
const MINORS = [28, 29, 30, 31, 32, 33, 34, 35, 36, 37];

/** The oldest and all later Kubernetes whose schemas there are, as in 1.34. */
export const VERSIONS = MINORS.map((minor) => `1.${minor}`);

/** What a check found: each complaint as one line. */
export interface Conformity {
  valid: number;
  complaints: string[];
}

/**
 * Checks manifests against the schemas of one Kubernetes, strictly.
 * @param manifests YAML documents
 * @param version as in 1.34, one of VERSIONS
 * @param skip kinds that Kubernetes does not know
 */
export async function conformity(
  manifests: string,
  version: string,
  skip: readonly string[] = [],
): Promise<Conformity> {
  const folder = await kubeconformFolder();
  const schemas = join(folder, version, '{{.ResourceKind}}{{.KindSuffix}}.json');
  const args = ['-strict', '-output', 'json', '-summary', '-schema-location', schemas, '-skip', skip.join()];
  const output = await run(join(folder, 'kubeconform'), args, { input: manifests, tolerant: true });
  const { resources = [], summary } = JSON.parse(output) as {
    resources?: { kind: string; name: string; msg: string }[];
    summary: { valid: number };
  };
  return { valid: summary.valid, complaints: resources.map(({ kind, name, msg }) => `${kind} ${name}: ${msg}`) };
}

/** The program, and the schemas in a folder for each version. */
export function kubeconformFolder(): Promise<string> {
  return cached({
    name: 'kubeconform-0.8.0',
    recipe: [process.arch, SCHEMAS.sha256, readFileSync(import.meta.filename)],
    title: 'building kubeconform, and fetching the schemas of Kubernetes 1.28 to 1.37',
    usually: '40 to 90 s',
    make: async (dir, log) => {
      const output = join(dir, 'kubeconform');
      await goBuildModule(MODULE, { package: './cmd/kubeconform', output, ldflags: '-s -w', log });
      const wheel = join(dir, 'wheel');
      mkdirSync(wheel);
      await unpackPythonPackage(SCHEMAS, wheel, log);
      for (const version of VERSIONS)
        takeSchemas(
          join(wheel, `kubernetes_validate/kubernetes-json-schema/v${version}.0-local-strict`),
          join(dir, version),
        );
      rmSync(wheel, { recursive: true });
    },
  });
}

interface Schema {
  $id?: string;
  properties?: { metadata?: object };
  'x-kubernetes-group-version-kind'?: object[];
}

const REFERENCE = /"\/api\/_definitions\.json#\/\$defs\/([^"]+)"|"#\/\$defs\/([^"]+)"/g;

/**
 * Every kind refers to parts of one file of 1.5 MB, which would be read again for each. Here each kind has with it what it
 * refers to, and nothing else.
 */
function takeSchemas(from: string, to: string): void {
  const read = (file: string) => readFileSync(join(from, file), 'utf8');
  const { $defs } = JSON.parse(read('_definitions.json')) as { $defs: Record<string, unknown> };
  const all = new Map(Object.entries($defs).map(([name, part]) => [name, JSON.stringify(part)]));
  mkdirSync(to);
  for (const file of readdirSync(from).filter((name) => name !== '_definitions.json' && name !== 'all.json')) {
    const { $id: _, ...schema } = JSON.parse(read(file)) as Schema;
    if (!schema['x-kubernetes-group-version-kind'] || !schema.properties?.metadata || /list-/.test(file)) continue;
    const own = JSON.stringify(schema);
    const parts = new Map<string, string>();
    for (const texts = [own]; texts.length > 0;)
      for (const [, there, here] of texts.pop()!.matchAll(REFERENCE)) {
        const name = there ?? here!;
        if (parts.has(name)) continue;
        parts.set(name, all.get(name)!);
        texts.push(all.get(name)!);
      }
    const defs = [...parts].map(([name, part]) => `${JSON.stringify(name)}:${part}`).join();
    const text = `${own.slice(0, -1)},"$defs":{${defs}}}`;
    writeFileSync(
      join(to, file),
      text.replace(REFERENCE, (_, there?: string, here?: string) => `"#/$defs/${there ?? here}"`),
    );
  }
}
