import { SpanKind, type Attributes } from '@opentelemetry/api';

/** Adds old names beside new ones. */
export type AddOldNames = (attributes: Attributes, kind: SpanKind) => void;

const HTTP: Record<string, string> = {
  'http.request.method': 'http.method',
  'http.response.status_code': 'http.status_code',
  'network.protocol.version': 'http.flavor',
  'network.peer.address': 'net.peer.ip',
  'url.scheme': 'http.scheme',
  'url.full': 'http.url',
  'user_agent.original': 'http.user_agent',
  'client.address': 'http.client_ip',
};
const DATABASE: Record<string, string> = {
  'db.system.name': 'db.system',
  'db.namespace': 'db.name',
  'db.query.text': 'db.statement',
  'db.operation.name': 'db.operation',
  'db.collection.name': 'db.sql.table',
  'server.address': 'net.peer.name',
  'server.port': 'net.peer.port',
};
/** Systems by their old names, where those are others. */
const SYSTEMS: Record<string, string> = {
  'microsoft.sql_server': 'mssql',
  'oracle.db': 'oracle',
};

/**
 * What `http/dup` and `database/dup` in OTEL_SEMCONV_STABILITY_OPT_IN ask for: the names of semantic conventions 1.7 to 1.23
 * beside the stable ones, as the stock instrumentations had them, for dashboards that still go by them.
 */
export function oldNames(optIn: readonly string[]): AddOldNames {
  const http = optIn.includes('http/dup');
  const database = optIn.includes('database/dup');
  return (attributes, kind) => {
    if (http && attributes['http.request.method'] !== undefined) addHttp(attributes, kind);
    if (database && attributes['db.system.name'] !== undefined) addDatabase(attributes);
  };
}

function addHttp(attributes: Attributes, kind: SpanKind): void {
  copy(attributes, HTTP);
  const { 'server.address': address, 'server.port': port, 'url.path': path, 'url.query': query } = attributes;
  const side = kind === SpanKind.SERVER ? 'host' : 'peer';
  add(attributes, `net.${side}.name`, address);
  add(attributes, `net.${side}.port`, port);
  if (kind === SpanKind.SERVER) add(attributes, 'net.peer.port', attributes['network.peer.port']);
  const standard = attributes['url.scheme'] === 'https' ? 443 : 80;
  const host = port === undefined || port === standard ? address : `${text(address)}:${text(port)}`;
  add(attributes, 'http.host', address === undefined ? undefined : host);
  if (path === undefined) return;
  const target = query === undefined ? path : `${text(path)}?${text(query)}`;
  add(attributes, 'http.target', target);
  if (address !== undefined)
    add(attributes, 'http.url', `${text(attributes['url.scheme'])}://${text(host)}${text(target)}`);
}

function addDatabase(attributes: Attributes): void {
  copy(attributes, DATABASE);
  const system = attributes['db.system'];
  if (typeof system === 'string') attributes['db.system'] = SYSTEMS[system] ?? system;
}

function copy(attributes: Attributes, names: Record<string, string>): void {
  for (const [name, old] of Object.entries(names)) add(attributes, old, attributes[name]);
}

function add(attributes: Attributes, name: string, value: Attributes[string]): void {
  if (value !== undefined) attributes[name] ??= value;
}

const text = (value: Attributes[string]): string => String(value);
