import * as z from 'zod';
import { cel, listMap } from './rules.ts';
import { isSecretHeader, SECRET_HEADER } from './secret-header.ts';

const nameMessage =
  'a name is that of a package @opentelemetry/instrumentation-NAME, without what stands before, e.g. express or http';
const namePattern = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;
const pathMessage = 'a path begins with a slash or a *, without host and query, e.g. /internal/*';
const pathPattern = /^[/*][^?#\s]*$/;
const urlMessage =
  'a URL begins with http://, https:// or a *, without query, e.g. http://consul.infra:8500/* or */healthz';
const urlPattern = /^(https?:\/\/|[*])[^?#\s]*$/;
const headerMessage = 'a header name has letters, digits and hyphens, e.g. x-tenant-id';
const headerPattern = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
const secretMessage =
  'headers that carry secrets (authorization, cookie, set-cookie, and names with token, secret, session, signature, api-key and the like) are not recorded; name others, e.g. captureRequestHeaders: [x-tenant-id]';
const incomingMessage = 'ignoreIncomingPaths goes with http, e.g. {name: http, ignoreIncomingPaths: [/internal/*]}';
const httpMessage =
  'ignoreOutgoingUrls, captureRequestHeaders and captureResponseHeaders go with http and undici (which is fetch), e.g. {name: undici, captureRequestHeaders: [x-tenant-id]}';

const list = (item: z.ZodString, pattern: RegExp, message: string, description: string) =>
  z
    .array(item.regex(pattern, message))
    .min(1)
    .max(16)
    .meta({
      description,
      'x-kubernetes-list-type': 'set',
      ...cel({ rule: `self.all(item, item.matches(r'''${pattern.source}'''))`, message }),
    })
    .optional();

const headers = (description: string) =>
  z
    .array(z.string().min(1).max(64).regex(headerPattern, headerMessage))
    .min(1)
    .max(16)
    .refine((names) => !names.some(isSecretHeader), secretMessage)
    .meta({
      description,
      'x-kubernetes-list-type': 'set',
      ...cel(
        { rule: `self.all(name, name.matches(r'''${headerPattern.source}'''))`, message: headerMessage },
        { rule: `!self.exists(name, name.matches(r'''${SECRET_HEADER}'''))`, message: secretMessage },
      ),
    })
    .optional();

const instrumentation = z
  .object({
    name: z
      .string()
      .min(1)
      .max(64)
      .regex(namePattern, nameMessage)
      .describe(
        'Which one: the name of a package @opentelemetry/instrumentation-NAME, e.g. express, pg, http, undici (which is fetch). A name that an agent does not know is reported in status; docs/reference/instrumentations.md has all.',
      )
      .meta(cel({ rule: `self.matches(r'''${namePattern.source}''')`, message: nameMessage })),
    enabled: z
      .boolean()
      .describe(
        'Switched off, its library gives no spans, at once. Switched on, what the process loads from then on does; what it has loaded meanwhile needs a restart, and the status says so. Left out: on, but off for dns, fs and net.',
      )
      .optional(),
    ignoreIncomingPaths: list(
      z.string().min(1).max(256),
      pathPattern,
      pathMessage,
      'http: paths of requests that arrive and are left alone, as if nothing were traced: no span, nothing below, and nothing is passed on. A * stands for any characters. For requests that are not to be recorded in other services either, take sampling.rules with drop.',
    ),
    ignoreOutgoingUrls: list(
      z.string().min(1).max(256),
      urlPattern,
      urlMessage,
      'http, undici: URLs, without query, of requests that are sent and left alone: no span, and no headers are added. A * stands for any characters.',
    ),
    captureRequestHeaders: headers(
      'http, undici: headers of requests, those that arrive and those that are sent, whose values become attributes http.request.header.NAME. Not those that carry secrets.',
    ),
    captureResponseHeaders: headers(
      'http, undici: headers of responses, as attributes http.response.header.NAME. Not those that carry secrets.',
    ),
    queryText: z
      .enum(['Sanitized', 'Off'])
      .describe(
        'Databases: whether the text of statements is recorded (db.query.text). Sanitized: their shape, with ? for what the app wrote into them. Off: not at all. Left out: Sanitized.',
      )
      .optional(),
    layerSpans: z
      .boolean()
      .describe(
        "Web frameworks: whether each middleware, router and handler has a span of its own. Without them the request's span keeps its route and gets their exceptions. What express says counts for router too, which express 5 is made of. Left out: true.",
      )
      .optional(),
  })
  .refine((value) => value.name === 'http' || value.ignoreIncomingPaths === undefined, incomingMessage)
  .refine(
    (value) =>
      ['http', 'undici'].includes(value.name) ||
      (value.ignoreOutgoingUrls ?? value.captureRequestHeaders ?? value.captureResponseHeaders) === undefined,
    httpMessage,
  )
  .describe('One instrumentation.')
  .meta(
    cel(
      { rule: "self.name == 'http' || !has(self.ignoreIncomingPaths)", message: incomingMessage },
      {
        rule: "self.name in ['http', 'undici'] || !(has(self.ignoreOutgoingUrls) || has(self.captureRequestHeaders) || has(self.captureResponseHeaders))",
        message: httpMessage,
      },
    ),
  );

export const instrumentations = z
  .array(instrumentation)
  .max(48)
  .meta({
    description:
      "What is traced of which libraries. One that is not in the list is as it is without a policy. What a container says in OTEL_NODE_ENABLED_INSTRUMENTATIONS or OTEL_NODE_DISABLED_INSTRUMENTATIONS wins. A list here takes the place of the chart's.",
    ...listMap('name'),
  });

export type Instrumentation = z.infer<typeof instrumentation>;
