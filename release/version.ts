import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';

/** https://semver.org, without build metadata: images' tags have no "+". */
const VERSION = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/;

/** What whoever makes a release has to set right first. */
export class ReleaseError extends Error {}

/** @throws ReleaseError where that is no version. */
export function checkVersion(version: string): void {
  if (VERSION.test(version)) return;
  throw new ReleaseError(`"${version}" is no version: three numbers with dots are expected, e.g. 0.1.0 or 0.2.0-rc.1`);
}

/** Where the checkout says its version; each has to be the one that is released. */
export function statedVersions(checkout: string): Map<string, unknown> {
  const text = (file: string) => readFileSync(join(checkout, file), 'utf8');
  const npm = JSON.parse(text('package.json')) as { version: unknown };
  const chart = load(text('charts/tracing-operator/Chart.yaml')) as { version: unknown; appVersion: unknown };
  const plugin = /VERSION = '([^']+)'/.exec(text('cli/chart.ts'))?.[1];
  return new Map([
    ['version in package.json', npm.version],
    ['version in charts/tracing-operator/Chart.yaml', chart.version],
    ['appVersion in charts/tracing-operator/Chart.yaml', chart.appVersion],
    ['VERSION in cli/chart.ts', plugin],
  ]);
}

/** @throws ReleaseError where the checkout says another version somewhere. */
export function checkStated(version: string, stated: ReadonlyMap<string, unknown>): void {
  const others = [...stated].filter(([, each]) => String(each) !== version);
  if (others.length === 0) return;
  const lines = others.map(([where, each]) => `  ${where} is ${String(each)}`);
  throw new ReleaseError(`the release is ${version}, but\n${lines.join('\n')}\nSet these to ${version}, and commit.`);
}

/**
 * What the changelog says of a version: the lines under its heading.
 * @throws ReleaseError where there is none, or it is headed "Unreleased".
 */
export function notesOf(changelog: string, version: string): string {
  const sections = changelog.split(/^## /m).slice(1);
  const found = sections.find((section) =>
    section
      .split('\n', 1)[0]!
      .split(/[\s:]+/)
      .includes(version),
  );
  const example = `## ${version} (2027-01-31)`;
  if (found === undefined) throw new ReleaseError(`CHANGELOG.md has no heading for ${version}, e.g. "${example}"`);
  const [heading = '', ...lines] = found.split('\n');
  if (/unreleased/i.test(heading))
    throw new ReleaseError(
      `CHANGELOG.md still says "## ${heading}": head it with the version and the day, e.g. "${example}"`,
    );
  const text = lines.join('\n').trim();
  if (text === '') throw new ReleaseError(`CHANGELOG.md says nothing under "## ${heading}"`);
  return text;
}
