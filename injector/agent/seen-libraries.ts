import type { LibraryTable } from 'agent:libraries';
import { sep } from 'node:path';
import { packageOf } from './packages.ts';
import type { Obstacle, UninstrumentedLibrary } from './report-body.ts';

/** A part of an instrumentation: a library's main file or another of its files, in some of its versions. */
interface Part {
  supportedVersions: string[];
  patch?: unknown;
}

/** What an instrumentation says of a library. */
export interface Definition extends Part {
  name: string;
  includePrerelease?: boolean;
  files: Part[];
}

/** What is asked when a report is due, and not before: nothing of it is needed to instrument. */
export interface LibraryFacts {
  table: LibraryTable;
  isEnabled(instrumentation: string): boolean;
  /** Undefined where the instrumentation could not be loaded. */
  definitions(instrumentation: string): Definition[] | undefined;
  version(directory: string): string | undefined;
  satisfies(version: string, range: string, options: { includePrerelease: boolean }): boolean;
  /** Files that CommonJS has loaded. */
  loadedFiles(): string[];
}

/**
 * The libraries of the process that we know how to instrument, by their directory, as several copies of one may be there.
 * To note one costs the path of loading a look into a map; what became of it is worked out when it is asked for.
 */
export class SeenLibraries {
  private readonly facts: LibraryFacts;
  private readonly onNews: () => void;
  private readonly names = new Map<string, string>();
  private readonly patched = new Set<string>();
  private readonly covered = new Set<string>();
  private readonly bundled = new Set<string>();
  private before: UninstrumentedLibrary[] | undefined;

  constructor(facts: LibraryFacts, onNews: () => void) {
    this.facts = facts;
    this.onNews = onNews;
  }

  /** One of its files is being looked up. */
  note(name: string, directory: string): void {
    if (this.names.has(directory)) return;
    this.names.set(directory, name);
    this.onNews();
  }

  /** Whether a copy of it, of this major or a later one, has been looked up. */
  has(name: string, major: number): boolean {
    return [...this.names].some(
      ([directory, each]) => each === name && Number.parseInt(this.facts.version(directory) ?? '', 10) >= major,
    );
  }

  /** Another library's instrumentation makes its spans. */
  noteCovered(directory: string): void {
    this.covered.add(directory);
  }

  /** One of its files was given to the instrumentations. */
  notePatched(directory: string): void {
    this.patched.add(directory);
  }

  /** A file of the app says that these packages are in it. Gives those that we would have instrumented, sorted. */
  noteBundled(packages: readonly string[]): string[] {
    const loaded = new Set(this.names.values());
    const lost = packages.filter((name) => {
      const known = Object.hasOwn(this.facts.table.packages, name) ? this.facts.table.packages[name] : undefined;
      return known?.instrumentations.some((each) => this.facts.isEnabled(each)) && !loaded.has(name);
    });
    for (const name of lost) this.bundled.add(name);
    if (lost.length > 0) this.onNews();
    return lost.sort();
  }

  report(): { libraries: string[]; uninstrumented: UninstrumentedLibrary[] } {
    this.before ??= this.loadedBefore();
    const libraries = new Set<string>();
    const uninstrumented = new Map<string, UninstrumentedLibrary>();
    const add = (library: string, why: Obstacle) => uninstrumented.set(`${library} ${why}`, { library, why });
    const unpatched = [...this.names.keys()].filter((directory) => !this.patched.has(directory));
    const loaded = unpatched.length > 0 ? this.loadedAmong(unpatched) : new Set<string>();
    for (const [directory, name] of this.names) {
      if (this.covered.has(directory) || (!this.patched.has(directory) && !loaded.has(directory))) continue;
      const version = this.facts.version(directory);
      const library = version === undefined ? name : `${name}@${version}`;
      const obstacle = this.obstacle(name, version);
      if (obstacle !== undefined) add(library, obstacle);
      else if (this.patched.has(directory)) libraries.add(library);
    }
    for (const { library, why } of this.before) add(library, why);
    for (const name of this.bundled) add(name, 'Bundled');
    return {
      libraries: [...libraries].sort(),
      uninstrumented: [...uninstrumented.values()].sort((a, b) => (a.library < b.library ? -1 : 1)),
    };
  }

  private obstacle(name: string, version: string | undefined): Obstacle | undefined {
    const wanted = this.facts.table.packages[name]!.instrumentations.filter((each) => this.facts.isEnabled(each));
    if (wanted.length === 0) return 'SwitchedOff';
    const known = wanted.map((each) => this.facts.definitions(each)).filter((each) => each !== undefined);
    if (known.length === 0) return 'AgentError';
    const takes = (range: string, includePrerelease: boolean): boolean =>
      version === undefined ? range === '*' : this.facts.satisfies(version, range, { includePrerelease });
    const definitions = known.flat().filter((definition) => definition.name === name);
    const isSupported = definitions.some((definition) =>
      [...(definition.patch ? [definition] : []), ...definition.files].some(({ supportedVersions }) =>
        supportedVersions.some((range) => takes(range, definition.includePrerelease ?? false)),
      ),
    );
    return isSupported ? undefined : 'UnsupportedVersion';
  }

  /** Which of these directories a program was loaded from: to look a file up is not to load it. */
  private loadedAmong(directories: string[]): Set<string> {
    const files = this.facts.loadedFiles().filter((file) => !file.endsWith('.json'));
    return new Set(directories.filter((directory) => files.some((file) => file.startsWith(directory + sep))));
  }

  /** Libraries that were there before the agent: some other preload brought them. */
  private loadedBefore(): UninstrumentedLibrary[] {
    const found = new Map<string, string>();
    for (const file of this.facts.loadedFiles()) {
      const place = packageOf(file);
      if (place === undefined || this.names.has(place.directory) || file.endsWith('.json')) continue;
      if (Object.hasOwn(this.facts.table.packages, place.name)) found.set(place.directory, place.name);
    }
    return [...found].map(([directory, name]) => {
      const version = this.facts.version(directory);
      return { library: version === undefined ? name : `${name}@${version}`, why: 'LoadedBefore' };
    });
  }
}
