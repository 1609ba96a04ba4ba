import * as z from 'zod';
import { duration } from './duration.ts';
import { SIGNALS } from './signals.ts';
import { cel, eitherOr, hasOneOf, listMap } from './rules.ts';

/** 1 to 65535. */
const port = '(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})';
const endpointPattern = new RegExp(String.raw`^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:${port})?(/[^\s?#]*)?$`);
const endpointMessage =
  'endpoint must be http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH], without query or fragment, e.g. http://otel-collector.observability:4318';

const headerNamePattern = /^[A-Za-z0-9!#$%&'*+.^_|~-]+$/;
const headerNameMessage = 'a header name is letters, digits and hyphens, e.g. x-api-key';
/** Headers that belong to the transport. `host` would lead an export past `allowedEndpoints` where hosts share an address. */
export const TRANSPORT_HEADERS = [
  ...['host', 'connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'te', 'trailer', 'upgrade'],
  ...['content-length', 'content-type', 'content-encoding', 'grpc-timeout', 'grpc-encoding', 'expect'],
];
const transportHeaderMessage =
  'this header is set by the transport itself and cannot be chosen; take one of the receiver, e.g. x-api-key';

const objectNamePattern = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;
const objectNameMessage = 'a name is lower-case letters, digits, hyphens and dots, e.g. collector-credentials';
/** What Kubernetes takes as a key: not `.`, nor anything that begins with two dots. */
const keyPattern = /^[.]?[A-Za-z0-9_-][A-Za-z0-9._-]*$/;
const keyMessage = 'a key is letters, digits, hyphens, underscores and dots, e.g. api-key or tls.crt';

const keyRef = (kind: 'Secret' | 'ConfigMap') =>
  z
    .object({
      name: z
        .string()
        .min(1)
        .max(253)
        .regex(objectNamePattern, objectNameMessage)
        .describe(`Name of the ${kind}, in the namespace of the traced pod.`)
        .meta(cel({ rule: `self.matches(r'''${objectNamePattern.source}''')`, message: objectNameMessage })),
      key: z
        .string()
        .min(1)
        .max(253)
        .regex(keyPattern, keyMessage)
        .describe(`Key in the ${kind}.`)
        .meta(cel({ rule: `self.matches(r'''${keyPattern.source}''')`, message: keyMessage })),
    })
    .describe(
      `A key of a ${kind} in the namespace of the traced pod. It need not be there when a pod starts: the exporter waits for it.`,
    );

/** For the reference: a pod's volumes are what they were when it was made. */
const NEW_FILES = 'another Secret, ConfigMap or key: new pods';

const headerMessage =
  'a header has a value or a valueFrom, not both, e.g. {name: x-api-key, valueFrom: {secretKeyRef: {name: collector-credentials, key: api-key}}}';
const header = z
  .object({
    name: z
      .string()
      .min(1)
      .max(128)
      .regex(headerNamePattern, headerNameMessage)
      .refine((name) => !TRANSPORT_HEADERS.includes(name.toLowerCase()), transportHeaderMessage)
      .describe('Header name; compared without regard to case.')
      .meta(
        cel(
          { rule: `self.matches(r'''${headerNamePattern.source}''')`, message: headerNameMessage },
          {
            rule: `!(self.lowerAscii() in [${TRANSPORT_HEADERS.map((name) => `'${name}'`).join(', ')}])`,
            message: transportHeaderMessage,
          },
        ),
      ),
    value: z
      .string()
      .max(1024)
      .refine((value) => !/[\r\n]/.test(value), 'a header value is one line')
      .describe(
        "Header value, in plain text: it is copied to the namespace's ConfigMap and to annotations of pods, so whoever may read those can read it. For a secret take valueFrom.",
      )
      .meta(cel({ rule: "!self.contains('\\n') && !self.contains('\\r')", message: 'a header value is one line' }))
      .optional(),
    valueFrom: z
      .object({ secretKeyRef: keyRef('Secret') })
      .describe(
        'Where the value is read from, instead of value. The operator never sees it: the Secret is mounted into the traced containers, and the process reads it there. A changed value is taken up within about two minutes, without a restart; another Secret or key reaches pods that are made later. Blanks around the value are dropped.',
      )
      .meta({ live: NEW_FILES })
      .optional(),
  })
  .superRefine(hasOneOf('value', 'valueFrom', headerMessage))
  .meta(eitherOr('value', 'valueFrom', headerMessage));

const materialMessage =
  'this comes from a Secret or from a ConfigMap, not both, e.g. {configMapKeyRef: {name: collector-ca, key: ca.crt}}';
/** PEM that is no secret in itself. */
const material = (description: string) =>
  z
    .object({
      secretKeyRef: keyRef('Secret').optional(),
      configMapKeyRef: keyRef('ConfigMap').optional(),
    })
    .superRefine(hasOneOf('secretKeyRef', 'configMapKeyRef', materialMessage))
    .describe(description)
    .meta(eitherOr('secretKeyRef', 'configMapKeyRef', materialMessage));

const pairMessage =
  'a client certificate needs its key and a key its certificate, e.g. {cert: {secretKeyRef: {name: collector-client, key: tls.crt}}, key: {secretKeyRef: {name: collector-client, key: tls.key}}}';
const tls = z
  .object({
    ca: material(
      'Authorities (PEM) by which the receiver is checked, instead of those that Node.js knows by itself.',
    ).optional(),
    cert: material('Certificate (PEM), with its chain, that the process shows to the receiver: mutual TLS.').optional(),
    key: z
      .object({ secretKeyRef: keyRef('Secret') })
      .describe('Private key (PEM, without a passphrase) of cert.')
      .optional(),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), pairMessage)
  .describe(
    'How an https endpoint is checked and what it is shown. Files come from the namespace of the traced pod; renewed ones are taken up within about two minutes, without a restart. While one is missing or broken nothing is sent to this exporter, and the status says so.',
  )
  .meta({ live: NEW_FILES })
  .meta(cel({ rule: 'has(self.cert) == has(self.key)', message: pairMessage }));

const tlsMessage = 'tls goes with https endpoints only, e.g. endpoint: https://otel-collector.observability:4318';

const retry = z
  .object({
    enabled: z.boolean().describe('Switched off, a batch is tried once. Left out: true.').optional(),
    initialInterval: duration({ least: '100ms', most: '1m', example: '1s' })
      .describe('Wait before the first retry; each further one is twice as long. Left out: 1s.')
      .optional(),
    maxInterval: duration({ least: '100ms', most: '5m', example: '10s' })
      .describe('Longest wait between two tries. Left out: 10s.')
      .optional(),
  })
  .describe(
    "What happens to a batch that did not arrive where another try makes sense: no connection, no answer in time, HTTP 429, 502, 503 and 504, gRPC's UNAVAILABLE and others that OTLP names. Waits vary by half to both sides; a receiver that says when it wants to be asked again (Retry-After, RetryInfo) is not asked before. batch.exportTimeout ends it.",
  );

const exporterNameMessage = 'a name is lower-case letters, digits and hyphens, e.g. default';

/** One destination of spans, in `spec.exporters` of both kinds and in the chart's `defaultPolicy`. */
export const exporter = z
  .object({
    name: z
      .string()
      .min(1)
      .max(63)
      .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, exporterNameMessage)
      .describe('Name of this destination, unique within the policy.')
      .meta(cel({ rule: "self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')", message: exporterNameMessage })),
    protocol: z
      .enum(['http/protobuf', 'http/json', 'grpc'])
      .describe(
        'OTLP transport. The usual ports are 4318 for http/protobuf and http/json and 4317 for grpc. http/json is for receivers that take nothing else: it costs the process more. Left out: http/protobuf.',
      )
      .optional(),
    endpoint: z
      .string()
      .max(512)
      .regex(endpointPattern, endpointMessage)
      .describe(
        'URL of the OTLP receiver. For http/protobuf and http/json the path of the signal is appended, e.g. /v1/traces, as for OTEL_EXPORTER_OTLP_ENDPOINT. For grpc http:// means plain text and https:// means TLS.',
      )
      .meta(cel({ rule: `self.matches(r'''${endpointPattern.source}''')`, message: endpointMessage })),
    headers: z
      .array(header)
      .max(8)
      .meta({ description: 'Headers (grpc: metadata) sent with each export.', ...listMap('name') })
      .optional(),
    tls: tls.optional(),
    compression: z
      .enum(['none', 'gzip'])
      .describe(
        'How a batch is compressed. gzip makes it several times smaller for some processor time, in a thread beside the app: for receivers far away. Left out: none.',
      )
      .optional(),
    timeout: duration({ least: '100ms', most: '1m', example: '10s' })
      .describe('How long the receiver may take to answer one request. Left out: 10s.')
      .optional(),
    retry: retry.optional(),
    signals: z
      .array(z.enum(SIGNALS))
      .min(1)
      .max(3)
      .meta({
        description: 'What is sent to this destination, of the signals that are on. Left out: all of them.',
        'x-kubernetes-list-type': 'set',
      })
      .optional(),
  })
  .refine((value) => value.tls === undefined || value.endpoint.startsWith('https://'), tlsMessage)
  .meta(cel({ rule: "!has(self.tls) || self.endpoint.startsWith('https://')", message: tlsMessage }));

export type Exporter = z.infer<typeof exporter>;
export type SecretKeyRef = z.infer<ReturnType<typeof keyRef>>;
