import type { PatchOperation } from './json-patch.ts';

/** What we read of an admission.k8s.io/v1 AdmissionReview request. */
export interface AdmissionRequest {
  uid: string;
  kind: { group: string; version: string; kind: string };
  namespace?: string;
  name?: string;
  operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  dryRun?: boolean;
  object: Record<string, unknown> | null;
  oldObject?: Record<string, unknown> | null;
}

export interface AdmissionReply {
  patch?: PatchOperation[];
  /** Shown to whoever made the request; the API server cuts each at 256 bytes and all at 4096. */
  warnings?: string[];
  auditAnnotations?: Record<string, string>;
}

/** The body is not an AdmissionReview that we can answer; the message says what is wrong with it. */
export class MalformedReview extends Error {
  override name = 'MalformedReview';
}

/**
 * Takes an AdmissionReview apart. Only what is needed to answer is checked: the API server has validated the object.
 * @throws MalformedReview
 */
export function decode(body: unknown): AdmissionRequest {
  if (!isRecord(body)) throw new MalformedReview('the body is not a JSON object');
  if (body.kind !== 'AdmissionReview') throw new MalformedReview(`kind is ${show(body.kind)}, not "AdmissionReview"`);
  if (body.apiVersion !== 'admission.k8s.io/v1')
    throw new MalformedReview(`apiVersion is ${show(body.apiVersion)}, not "admission.k8s.io/v1"`);
  const { request } = body;
  if (!isRecord(request)) throw new MalformedReview('request is missing');
  if (typeof request.uid !== 'string' || request.uid === '') throw new MalformedReview('request.uid is missing');
  if (!isRecord(request.kind) || typeof request.kind.kind !== 'string')
    throw new MalformedReview('request.kind.kind is missing');
  if (request.object !== null && request.object !== undefined && !isRecord(request.object))
    throw new MalformedReview('request.object is not a JSON object');
  return request as unknown as AdmissionRequest;
}

/** The review that admits: with a patch, warnings and audit annotations where there are some. Nothing is ever refused. */
export function encode(uid: string, reply: AdmissionReply): Record<string, unknown> {
  const { patch = [], warnings = [], auditAnnotations } = reply;
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid,
      allowed: true,
      ...(patch.length > 0 && {
        patchType: 'JSONPatch',
        patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
      }),
      ...(warnings.length > 0 && { warnings }),
      ...(auditAnnotations && { auditAnnotations }),
    },
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 80) ?? 'missing';
}
