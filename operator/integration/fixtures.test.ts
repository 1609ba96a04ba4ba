import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { dump } from 'js-yaml';
import { plansFor, SYSTEMS } from '../../test/planned-cluster.ts';
import { linkerd } from '../mesh/linkerd.ts';

/**
 * Every `testdata/NAME.yaml`, a namespace with its policies, pods and whatever else is in the cluster, with what must be
 * planned for it in `NAME.yaml.planned`: the objects, and what status says as comments. A CustomResourceDefinition in the
 * file says what is installed. `UPDATE_FIXTURES=1 npm run unit -- operator/integration` writes them anew; read the
 * difference before you commit it.
 */
const DIRECTORY = new URL('testdata/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, DIRECTORY), 'utf8');
const names = readdirSync(DIRECTORY).filter((name) => name.endsWith('.yaml'));
const UNALLOWED = linkerd({ namespace: 'linkerd', annotateNamespaces: false });

const GATEWAYS = ['Kong', 'IngressNginx'];
/** Meshes, or in files that are named after one gateways. */
const systemsOf = (file: string) =>
  SYSTEMS.filter((system) => GATEWAYS.includes(system.name) === /^(kong|ingress-nginx)-/.test(file)).map((system) =>
    system.name === 'Linkerd' && file.includes('no-right-to-namespaces') ? UNALLOWED : system,
  );

/** Jest's objects are of another realm, which js-yaml does not take for plain ones. */
const yaml = (object: unknown) => dump(JSON.parse(JSON.stringify(object)), { noRefs: true });

function planned(name: string, text: string): string {
  return plansFor(text, systemsOf(name))
    .map(({ system, state, message, objects: wanted, additions }) => {
      const said = `# ${system.name} ${state}: ${message.replaceAll('\n', '\n#   ')}\n`;
      const added = additions.map(({ to, name, ...fields }) => `# added to ${to.kind} ${name}\n${yaml(fields)}`);
      return said + [...wanted.map(yaml), ...added].join('---\n');
    })
    .join('---\n');
}

describe.each(names)('%s', (name) => {
  it('is planned as its .planned file says', () => {
    const result = planned(name, read(name));
    if (process.env.UPDATE_FIXTURES) writeFileSync(new URL(`${name}.planned`, DIRECTORY), result);
    expect(result).toBe(read(`${name}.planned`));
  });
});

it('every plan belongs to a fixture', () => {
  const plans = readdirSync(DIRECTORY).filter((name) => name.endsWith('.planned'));
  expect(plans).toEqual(names.map((name) => `${name}.planned`));
});
