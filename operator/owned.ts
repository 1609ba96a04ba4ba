/** Label of everything the operator makes by itself, by which people find it: `kubectl get configmaps -A -l …`. */
export const OWNED = { 'app.kubernetes.io/managed-by': 'tracing-operator' };
