import type { Attributes } from '@opentelemetry/api';
import type { Instrumentation } from '../../crds/instrumentation.ts';
import type { HttpOptions } from './http/options.ts';
import { undiciConfig } from './http/undici.ts';
import { readOptions, type InstrumentationOptions } from './instrumentation-options.ts';
import type { Libraries } from './libraries.ts';
import type { Problems } from './problems.ts';
import { StandIn } from './stand-in.ts';
import type { Silence } from './tracer.ts';

const SCOPE = '@opentelemetry/instrumentation-';
const NOTHING: InstrumentationOptions = {
  enabled: new Map(),
  silent: [],
  http: undefined,
  undici: undefined,
  problems: [],
};

/** What the policy says of instrumentations, carried out. A piece of its own, for processes whose policy says something. */
export class Instrumentations {
  private readonly libraries: Libraries;
  private readonly problems: Problems;
  private readonly version: string;
  private options = NOTHING;
  private given = '[]';
  private told: string[] = [];
  /** Libraries whose spans are not made. */
  silence: Silence | undefined;

  constructor(libraries: Libraries, problems: Problems, version: string) {
    this.libraries = libraries;
    this.problems = problems;
    this.version = version;
  }

  get http(): HttpOptions | undefined {
    return this.options.http;
  }

  set(list: readonly Instrumentation[]): void {
    const given = JSON.stringify(list);
    if (given === this.given) return;
    this.given = given;
    this.options = list.length > 0 ? readOptions(list, this.libraries.known, this.version) : NOTHING;
    const { enabled, silent, undici } = this.options;
    this.libraries.configure('undici', undiciConfig(undici));
    const off = this.libraries.select(enabled);
    const scopes = new Set([...off, ...silent].map((name) => SCOPE + name));
    this.silence =
      scopes.size > 0 ? { has: (scope) => scopes.has(scope), standIn: (above) => new StandIn(above) } : undefined;
    this.tell();
  }

  /** Does what is left to be done to a span that has ended. */
  finish(scope: string, attributes: Attributes): void {
    this.options.finish?.(scope, attributes);
  }

  private tell(): void {
    const problems = new Map(this.options.problems.map(([name, problem]) => [`instrumentations ${name}`, problem]));
    for (const [name, packages] of this.libraries.late())
      problems.set(
        `instrumentations ${name}`,
        `loaded while it was switched off: ${packages.join(', ')}; restart the pod to have it traced`,
      );
    for (const about of this.told) if (!problems.has(about)) this.problems.clear(about);
    for (const [about, problem] of problems) this.problems.set(about, problem);
    this.told = [...problems.keys()];
  }
}
