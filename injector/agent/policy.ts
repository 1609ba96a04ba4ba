import { readFileSync, readlink, readlinkSync, stat, statSync, type Stats } from 'node:fs';
import type { PolicyDocument } from '../policy-document.ts';
import { checkBatch, checkExporter } from './export-options.ts';
import { isCredentialPath } from './credentials.ts';
import { failed, sayOnce } from './report.ts';
import { checkRules } from './sampling-rules.ts';
import type { PolicyState } from './settings.ts';

const LISTS = ['ignoreIncomingPaths', 'ignoreOutgoingUrls', 'captureRequestHeaders', 'captureResponseHeaders'];
const NO_POLICY = 'none';

/**
 * The policy directory of a pod: `pod/key` names the policy in force, its document is the file of that name (from the
 * namespace's ConfigMap) or `pod/document` (embedded at admission). Missing files are normal at any time; a broken
 * document leaves the last good one in force.
 */
export class PolicyDirectory {
  private readonly path: string;
  private state: PolicyState = { kind: 'unknown' };
  private key = '';
  /** The key of what `state` says. */
  private inForce = '';
  private seen = '';

  constructor(path: string) {
    this.path = path;
  }

  /** Reads what is in force now; cheap enough for start-up, and never throws. */
  read(): PolicyState {
    const key = this.text('pod/key')?.trim();
    this.key = key ?? '';
    // Taken before the document is read: what changes in between is seen as a change later.
    this.seen = this.fingerprint();
    if (!key) return this.state;
    if (key === NO_POLICY) {
      this.inForce = key;
      return (this.state = { kind: 'none' });
    }
    if (key.includes('/') || key.includes('\\') || key.startsWith('..')) {
      sayOnce(`policy key "${key}" is not a file name and is not used`);
      return this.state;
    }
    // What was embedded at admission is older than anything read since under the same key.
    const document = this.document(key) ?? (this.inForce === key ? undefined : this.document('pod/document', key));
    if (document) {
      this.state = { kind: 'policy', key, revision: document.revision, spec: document.spec };
      this.inForce = key;
    }
    return this.state;
  }

  /** Says whether the directory is another one than at the last read. */
  whenChanged(done: (changed: boolean) => void): void {
    // kubelet swaps the link `..data` at each update; by hand (docker run -v) there is no such link.
    readlink(`${this.path}/..data`, (error, target) => {
      if (!error) return done(target !== this.seen);
      const found: string[] = [];
      const names = this.files();
      for (const name of names) {
        stat(`${this.path}/${name}`, (failure, stats) => {
          found.push(describe(name, failure ? undefined : stats));
          if (found.length === names.length) done(found.sort().join(' ') !== this.seen);
        });
      }
    });
  }

  private fingerprint(): string {
    try {
      return readlinkSync(`${this.path}/..data`);
    } catch {
      return this.files()
        .map((name) => describe(name, statSync(`${this.path}/${name}`, { throwIfNoEntry: false })))
        .sort()
        .join(' ');
    }
  }

  private files(): string[] {
    return ['pod/key', 'pod/document', ...(this.key && this.key !== NO_POLICY ? [this.key] : [])];
  }

  private text(name: string): string | undefined {
    try {
      return readFileSync(`${this.path}/${name}`, 'utf8');
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') failed(`policy file ${name} cannot be read`, error);
      return undefined;
    }
  }

  private document(name: string, key?: string): PolicyDocument | undefined {
    const text = this.text(name);
    if (text === undefined || text.trim() === '') return undefined;
    try {
      const document = parsePolicyDocument(text);
      return key === undefined || document.key === key ? document : undefined;
    } catch (error) {
      failed(`policy file ${name} is not usable, keeping what was in force`, error);
      return undefined;
    }
  }
}

function describe(name: string, stats: Stats | undefined): string {
  return stats ? `${name}:${stats.ino}:${stats.mtimeMs}:${stats.size}` : `${name}:-`;
}

/** Parses a policy document and checks the parts the agent acts on; throws with the reason. */
export function parsePolicyDocument(text: string): PolicyDocument {
  const document: unknown = JSON.parse(text);
  const spec = field(document, 'spec');
  const ratio = field(field(spec, 'sampling'), 'ratio');
  if (typeof ratio !== 'number' || !(ratio >= 0 && ratio <= 1))
    throw new Error('spec.sampling.ratio is not a number from 0 to 1');
  const rules = field(field(spec, 'sampling'), 'rules');
  if (rules !== undefined) checkRules(rules);
  checkKeep(field(field(spec, 'sampling'), 'keep'), field(field(spec, 'sampling'), 'force'));
  const allow = field(field(spec, 'baggage'), 'allow');
  if (allow !== undefined && !(Array.isArray(allow) && allow.every((key) => typeof key === 'string')))
    throw new Error('spec.baggage.allow is not a list of keys');
  for (const [name, on] of Object.entries(field(spec, 'signals') ?? {}))
    if (typeof on !== 'boolean') throw new Error(`spec.signals.${name} is not true or false`);
  checkBatch(field(spec, 'batch'));
  checkInstrumentations(field(spec, 'instrumentations') ?? []);
  const exporters = field(spec, 'exporters');
  if (!Array.isArray(exporters)) throw new Error('spec.exporters is not a list');
  for (const exporter of exporters as unknown[]) {
    checkExporter(exporter);
    const endpoint = field(exporter, 'endpoint');
    if (typeof endpoint !== 'string' || !/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint)) {
      throw new Error('spec.exporters: endpoint is not an http(s) URL');
    }
    const headers = field(exporter, 'headers') ?? [];
    if (!Array.isArray(headers)) throw new Error('spec.exporters: headers is not a list');
    const files = Object.values(field(exporter, 'tls') ?? {}) as unknown[];
    for (const header of headers as unknown[]) {
      const value = field(header, 'value');
      if (typeof field(header, 'name') !== 'string') throw new Error('spec.exporters: a header has no name');
      if (value === undefined) files.push(field(header, 'file'));
      else if (typeof value !== 'string') throw new Error('spec.exporters: the value of a header is not text');
    }
    // It says what is read and sent away: nothing but what the kubelet has mounted for it.
    if (!files.every(isCredentialPath)) throw new Error('spec.exporters: a file is not one of the mounted credentials');
  }
  return document as PolicyDocument;
}

function checkKeep(keep: unknown, force: unknown): void {
  const millis = field(keep, 'slowerThanMillis');
  if (millis !== undefined && !(typeof millis === 'number' && millis > 0))
    throw new Error('spec.sampling.keep.slowerThanMillis is not a number of milliseconds');
  if (keep !== undefined && field(keep, 'errors') !== true && millis === undefined)
    throw new Error('spec.sampling.keep has neither errors: true nor slowerThanMillis');
  const most = field(force, 'maxPerSecond');
  if (force !== undefined && !(typeof field(force, 'header') === 'string' && typeof most === 'number' && most > 0))
    throw new Error('spec.sampling.force has no header, or no maxPerSecond above 0');
}

/** What is of the right kind can be left out where it is not known (instrumentation-options.ts). */
function checkInstrumentations(list: unknown): void {
  if (!Array.isArray(list)) throw new Error('spec.instrumentations is not a list');
  for (const entry of list as unknown[]) {
    if (typeof field(entry, 'name') !== 'string') throw new Error('spec.instrumentations: one has no name');
    for (const name of ['enabled', 'layerSpans'])
      if (!['boolean', 'undefined'].includes(typeof field(entry, name)))
        throw new Error(`spec.instrumentations: ${name} is neither true nor false`);
    for (const name of LISTS) {
      const value = field(entry, name) ?? [];
      if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
        throw new Error(`spec.instrumentations: ${name} is not a list of texts`);
    }
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
