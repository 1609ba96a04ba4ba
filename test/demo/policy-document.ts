import { policiesOf } from '../../cli/policy-file.ts';
import { parseManifest } from '../../cli/manifest/manifest.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import { resolve } from '../../injector/resolve.ts';

/** Where spans go instead of where a policy says. */
export interface Endpoints {
  http: string;
  grpc: string;
}

/**
 * What a process is told by the policies in a file, as in a pod of the namespace `shop`; but its spans go to `endpoints`.
 * @throws InputError for a file that the API server would refuse.
 */
export function documentOf(text: string, file: string, endpoints: Endpoints): PolicyDocument {
  const written = policiesOf(parseManifest(text, file), 'shop', true);
  const { document } = resolve({ ...written, defaults: {} }, { namespace: 'shop' });
  if (document === undefined) throw new Error(`${file} has no policy that applies in the namespace shop`);
  const exporters = document.spec.exporters.map((exporter) => ({
    ...exporter,
    endpoint: exporter.protocol === 'grpc' ? endpoints.grpc : endpoints.http,
  }));
  return { ...document, spec: { ...document.spec, exporters } };
}
