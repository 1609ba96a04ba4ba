import { LINKERD_INJECT, LINKERD_JAEGER } from '../../injector/linkerd.ts';
import { ADDED_BY } from '../../injector/names.ts';
import type { AddedTo } from './system.ts';

const READ = [ADDED_BY, LINKERD_INJECT, ...Object.values(LINKERD_JAEGER)];

/** Namespaces, and what they say of meshes by annotation. */
export const NAMESPACES: AddedTo = {
  group: '',
  versions: ['v1'],
  resource: 'namespaces',
  kind: 'Namespace',
  isNamespace: true,
  prune: ({ metadata: { name, uid, resourceVersion, ...metadata } }) => {
    const all = (metadata['annotations'] ?? {}) as Record<string, string>;
    const annotations = Object.fromEntries(Object.entries(all).filter(([key]) => READ.includes(key)));
    return { metadata: { name, uid, resourceVersion, annotations } };
  },
};
