import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Attributes } from '@opentelemetry/api';
import { knownMethod } from './attributes.ts';

/** Takes how long HTTP requests took, in seconds, by the attributes of the semantic conventions' metrics. */
export interface HttpDurations {
  server(seconds: number, attributes: Attributes): void;
  client(seconds: number, attributes: Attributes): void;
}

/** How a request ended. */
export interface Ending {
  status?: number | undefined;
  route?: string | undefined;
  /** `error.type`. */
  error?: string | undefined;
  /** `network.protocol.version`. */
  version?: string | undefined;
}

/** Called at the end of a request; what it says first counts. */
export type Stopwatch = (ending: Ending) => void;

/** Starts to measure a request that a server has received. */
export function timeServer(durations: HttpDurations, request: IncomingMessage): Stopwatch {
  const attributes: Attributes = {
    'http.request.method': knownMethod(request.method ?? 'GET'),
    'url.scheme': (request.socket as { encrypted?: boolean }).encrypted ? 'https' : 'http',
    'network.protocol.version': request.httpVersion,
  };
  return stopwatch(attributes, (seconds, complete) => durations.server(seconds, complete));
}

/** Starts to measure a request that is about to be sent. */
export function timeClient(durations: HttpDurations, request: ClientRequest, address: string, port: number): Stopwatch {
  const attributes: Attributes = {
    'http.request.method': knownMethod(request.method),
    'server.address': address,
    'server.port': port,
    'url.scheme': request.protocol === 'https:' ? 'https' : 'http',
  };
  return stopwatch(attributes, (seconds, complete) => durations.client(seconds, complete));
}

function stopwatch(attributes: Attributes, record: (seconds: number, attributes: Attributes) => void): Stopwatch {
  const begun = performance.now();
  let ended = false;
  return ({ status, route, error, version }) => {
    if (ended) return;
    ended = true;
    if (status) attributes['http.response.status_code'] = status;
    if (route) attributes['http.route'] = route;
    if (error) attributes['error.type'] = error;
    if (version) attributes['network.protocol.version'] = version;
    record((performance.now() - begun) / 1000, attributes);
  };
}
