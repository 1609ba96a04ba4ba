import { SpanStatusCode, type Attributes, type Span } from '@opentelemetry/api';
import { UndiciInstrumentation as Stock } from '@opentelemetry/instrumentation-undici';
import { redactQuery } from './attributes.ts';

interface Request {
  origin: string;
  path: string;
  method: string;
}
const GIVEN_UP = Object.assign(new Error(), { name: 'AbortError' });
interface Failure {
  request: object;
  error: Error & { code?: unknown };
}
/** What is used of the stock class, which its types call private. */
type Parts = new (config?: object) => {
  setConfig(config: object): void;
  onError(failure: Failure): void;
  _recordFromReq: WeakMap<object, { span: Span; attributes: Attributes }>;
};

/** The stock instrumentation of fetch and undici, whose spans are to say the same as those of http: no secrets, and what was given up. */
export class UndiciInstrumentation extends (Stock as unknown as Parts) {
  override setConfig(config: object): void {
    super.setConfig({ ...config, startSpanHook: plain });
  }

  override onError(failure: Failure): void {
    const record = this._recordFromReq.get(failure.request);
    if (record === undefined) return;
    const { name, message, stack, code } = failure.error;
    // The numbers of DOM exceptions say nothing.
    const type = typeof code === 'string' ? code : name;
    record.attributes['error.type'] = type;
    record.span.setAttribute('error.type', type);
    record.span.recordException({ name: type, message, ...(stack !== undefined && { stack }) });
    record.span.setStatus({ code: SpanStatusCode.ERROR, message });
    // All that is left to the stock class is to end it: of what an app gives up it records no error.
    super.onError({ ...failure, error: GIVEN_UP });
  }
}

function plain({ origin, path, method }: Request): Attributes {
  return {
    ...withoutSecrets(origin, path),
    'http.request.method_original': /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/.test(method) ? undefined : method,
  };
}

function withoutSecrets(origin: string, path: string): Attributes {
  // The stock class has taken the URL apart already: most have nothing that would be worth doing it again.
  if (!/[?=]/.test(path)) return { 'url.query': undefined };
  const { href, search } = new URL(path, origin);
  return { 'url.full': redactQuery(href), 'url.query': redactQuery(search.slice(1)) || undefined };
}
