import type { HttpOptions } from './options.ts';

interface UndiciRequest {
  origin: string;
  path: string;
}

/** The options in the words of the instrumentation of undici. */
export function undiciConfig(options: HttpOptions | undefined): object {
  if (options === undefined) return {};
  const { ignoreOutgoing, requestHeaders, responseHeaders } = options;
  return {
    headersToSpanAttributes: { requestHeaders, responseHeaders },
    ...(ignoreOutgoing && {
      ignoreRequestHook: ({ origin, path }: UndiciRequest) =>
        ignoreOutgoing.test(`${origin}${/^[^?#]*/.exec(path)?.[0]}`),
    }),
  };
}
