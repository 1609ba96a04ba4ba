import type { Attributes } from '@opentelemetry/api';
import type { Instrumentation } from '../../crds/instrumentation.ts';
import { isSecretHeader } from '../../crds/secret-header.ts';
import { distance } from '../distance.ts';
import { SECRET_PARAMETERS } from './http/attributes.ts';
import type { HttpOptions } from './http/options.ts';
import { anyOf } from './sampling-rules.ts';

/** What a policy says of instrumentations, in the form in which the agent acts on it. */
export interface InstrumentationOptions {
  /** On or off, by name; what is not in it is as it is without a policy. */
  enabled: ReadonlyMap<string, boolean>;
  /** Names of those whose spans are not made, though they run. */
  silent: readonly string[];
  http: HttpOptions | undefined;
  undici: HttpOptions | undefined;
  /** What is still to be done to a span that has ended; absent where that is nothing. */
  finish?: (scope: string, attributes: Attributes) => void;
  /** What cannot be followed here, by name. */
  problems: [name: string, problem: string][];
}

const DATABASES = [
  ...['cassandra-driver', 'ioredis', 'knex', 'memcached', 'mongodb', 'mongoose', 'mysql', 'mysql2'],
  ...['oracledb', 'pg', 'redis', 'tedious'],
];
const FRAMEWORKS = ['connect', 'express', 'hapi', 'koa', 'nestjs-core', 'restify', 'router'];
const HTTP = ['http', 'undici'];
/** Which instrumentations have an option. */
const OPTIONS: Record<string, readonly string[]> = {
  ignoreIncomingPaths: ['http'],
  ignoreOutgoingUrls: HTTP,
  captureRequestHeaders: HTTP,
  captureResponseHeaders: HTTP,
  queryText: DATABASES,
  layerSpans: FRAMEWORKS,
};
const SCOPE = '@opentelemetry/instrumentation-';
/** Of a problem with its name: the operator takes no longer ones (report-body.ts). */
const PROBLEM = 200;

/** Reads what a policy says; `known` has the names of all instrumentations that this agent has. */
export function readOptions(
  list: readonly Instrumentation[],
  known: readonly string[],
  version: string,
): InstrumentationOptions {
  const enabled = new Map<string, boolean>();
  const silent = new Set<string>();
  const withoutText = new Set<string>();
  const http = new Map<string, HttpOptions>();
  const problems: InstrumentationOptions['problems'] = [];
  for (const entry of list) {
    const { name } = entry;
    if (!known.includes(name)) {
      problems.push([name, unknownName(name, known, version)]);
      continue;
    }
    const unusable = Object.entries(entry).flatMap(([option, value]) => reasonAgainst(name, option, value));
    if (unusable.length > 0) problems.push([name, unusable.join('; ')]);
    if (entry.enabled !== undefined) enabled.set(name, entry.enabled);
    if (entry.layerSpans === false && FRAMEWORKS.includes(name)) silent.add(name);
    if (entry.queryText === 'Off' && DATABASES.includes(name)) withoutText.add(SCOPE + name);
    if (HTTP.includes(name)) http.set(name, httpOptions(entry));
  }
  if (silent.has('express') && !list.some(({ name }) => name === 'router')) silent.add('router');
  const captures = [...http.values()].some((each) => each.requestHeaders.length + each.responseHeaders.length > 0);
  return {
    enabled,
    silent: [...silent],
    http: http.get('http'),
    undici: http.get('undici'),
    problems,
    ...((withoutText.size > 0 || captures) && {
      finish: (scope, attributes) => {
        if (captures) redactHeaders(attributes);
        if (!withoutText.has(scope)) return;
        delete attributes['db.query.text'];
        delete attributes['db.statement'];
      },
    }),
  };
}

function reasonAgainst(name: string, option: string, value: unknown): string[] {
  if (option === 'name' || option === 'enabled') return [];
  const names = Object.hasOwn(OPTIONS, option) ? OPTIONS[option] : undefined;
  if (names === undefined) return [`option ${option} is not known to this version of the agent`];
  if (!names.includes(name)) return [`it has no option ${option}, which goes with ${names.join(', ')}`];
  if (option === 'queryText' && value !== 'Sanitized' && value !== 'Off')
    return [`queryText: ${String(value)} is not known to this version of the agent`];
  const secrets = /Headers$/.test(option) ? (value as string[]).filter(isSecretHeader) : [];
  return secrets.length > 0 ? [`${secrets.join(', ')} may be a secret and is not recorded`] : [];
}

function httpOptions(entry: Instrumentation): HttpOptions {
  const names = (list: string[] = []): string[] =>
    list.filter((name) => !isSecretHeader(name)).map((name) => name.toLowerCase());
  return {
    ignoreIncoming: entry.ignoreIncomingPaths && anyOf(entry.ignoreIncomingPaths),
    ignoreOutgoing: entry.ignoreOutgoingUrls && anyOf(entry.ignoreOutgoingUrls),
    requestHeaders: names(entry.captureRequestHeaders),
    responseHeaders: names(entry.captureResponseHeaders),
  };
}

/** A header such as location or referer is a URL, and may have in it what is left out of URLs. */
function redactHeaders(attributes: Attributes): void {
  for (const [key, value] of Object.entries(attributes))
    if (/^http\.(request|response)\.header\./.test(key) && Array.isArray(value))
      attributes[key] = value.map((text) => withoutSecrets(String(text)));
}

function withoutSecrets(text: string): string {
  return text.replace(SECRET_PARAMETERS, '$1REDACTED').replace(/(:\/\/)[^/@?#\s]*@/g, '$1REDACTED@');
}

/** Names the ones there are, those like it first, as many as fit. */
function unknownName(name: string, known: readonly string[], version: string): string {
  const alike = [...known].sort((a, b) => distance(name, a) - distance(name, b) || (a < b ? -1 : 1));
  const about = `not known to agent ${version}, which has `;
  let text = about + alike[0]!;
  for (const each of alike.slice(1)) {
    if (`instrumentations ${name}: ${text}, ${each}, …`.length > PROBLEM) return `${text}, …`;
    text += `, ${each}`;
  }
  return text;
}
