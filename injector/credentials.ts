import type { Exporter, SecretKeyRef } from '../crds/exporter.ts';
import * as names from './names.ts';
import type { Pod } from './pod.ts';
import type { DocumentExporter, PolicyDocument } from './policy-document.ts';

/** A file that an exporter needs, by its path below `CREDENTIALS_DIR`: `secret/NAME/KEY` or `config-map/NAME/KEY`. */
export type CredentialPath = string;

/** A pod's volume holds no more than this: what the policy in force needs (at most 88), and what others that match do. */
const MOST = 128;

const secretPath = ({ secretKeyRef }: { secretKeyRef: SecretKeyRef }): CredentialPath =>
  `secret/${secretKeyRef.name}/${secretKeyRef.key}`;

type Material = NonNullable<NonNullable<Exporter['tls']>['ca']>;

function materialPath(material: Material): CredentialPath {
  const { secretKeyRef, configMapKeyRef } = material;
  return secretKeyRef ? secretPath({ secretKeyRef }) : `config-map/${configMapKeyRef!.name}/${configMapKeyRef!.key}`;
}

/** What of an exporter reaches a process: values as they are, and of what is secret only the file it is to be read from. */
export function withPaths({ headers = [], tls }: Exporter): Pick<DocumentExporter, 'headers' | 'tls'> {
  return {
    headers: headers.map(({ name, value = '', valueFrom }) =>
      valueFrom ? { name, file: secretPath(valueFrom) } : { name, value },
    ),
    ...(tls && {
      tls: {
        ...(tls.ca && { ca: materialPath(tls.ca) }),
        ...(tls.cert && { cert: materialPath(tls.cert) }),
        ...(tls.key && { key: secretPath(tls.key) }),
      },
    }),
  };
}

/** The files that exporters need, each once, in the order of the exporters. */
export function credentialPaths(exporters: readonly Exporter[]): CredentialPath[] {
  return [...new Set(exporters.flatMap((exporter) => filesOf(withPaths(exporter))))].slice(0, MOST);
}

/** The files that a policy as a process gets it needs. */
export function documentFiles(document: PolicyDocument | undefined): CredentialPath[] {
  return (document?.spec.exporters ?? []).flatMap(filesOf);
}

function filesOf({ headers, tls }: Pick<DocumentExporter, 'headers' | 'tls'>): CredentialPath[] {
  return [...headers.flatMap((header) => ('file' in header ? [header.file] : [])), ...Object.values(tls ?? {})];
}

/** For people: `key token of Secret collector`. */
export function describeFile(path: CredentialPath): string {
  const [kind, name, key] = path.split('/');
  return `key ${key} of ${kind === 'secret' ? 'Secret' : 'ConfigMap'} ${name}`;
}

/** The files that a pod was made with: those of the volume above. */
export function mountedCredentials(spec: Pod['spec'] | undefined): CredentialPath[] {
  const volume = spec?.volumes?.find(({ name }) => name === names.CREDENTIALS_VOLUME) as
    ReturnType<typeof credentialsVolume> | undefined;
  const sources = (volume?.projected?.sources ?? []) as Record<string, { items?: { path: string }[] }>[];
  return sources.flatMap((source) => Object.values(source).flatMap(({ items = [] }) => items.map(({ path }) => path)));
}

/**
 * The volume that brings these files into a pod. All of it is optional: a Secret, a ConfigMap or a key that is missing
 * keeps no pod from starting, and appears in running ones when somebody makes it.
 */
export function credentialsVolume(paths: readonly CredentialPath[]) {
  const objects = new Map<string, { kind: string; name: string; items: { key: string; path: string }[] }>();
  for (const path of paths) {
    const [kind = '', name = '', key = ''] = path.split('/');
    const id = `${kind}/${name}`;
    const object = objects.get(id) ?? { kind, name, items: [] };
    object.items.push({ key, path });
    objects.set(id, object);
  }
  return {
    name: names.CREDENTIALS_VOLUME,
    projected: {
      // The app may run as any user; nobody outside the pod sees the volume.
      defaultMode: 0o444,
      sources: [...objects.values()].map(({ kind, name, items }) => ({
        [kind === 'secret' ? 'secret' : 'configMap']: { name, items, optional: true },
      })),
    },
  };
}
