/** A CEL rule as the API server wants it, and the words a user reads when it refuses. */
export interface CelRule {
  rule: string;
  message: string;
}

export const cel = (...rules: CelRule[]) => ({ 'x-kubernetes-validations': rules });

/** A list whose items are told apart by these keys, so that two of one name are refused and server-side apply merges. */
export const listMap = (...keys: string[]) => ({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys });

/**
 * Of two fields exactly one: a rule for the API server, and `oneOf` for the chart's values, where there is no CEL. A
 * structural schema may not have that `oneOf`, so crds/crd.ts leaves it out.
 */
export const eitherOr = (a: string, b: string, message: string) => ({
  ...cel({ rule: `has(self.${a}) != has(self.${b})`, message }),
  oneOf: [{ required: [a] }, { required: [b] }],
});

/** The same for zod, which can say which of the two mistakes it is. */
export const hasOneOf =
  <K extends string>(a: K, b: K, message: string) =>
  (value: Partial<Record<K, unknown>>, context: { addIssue(issue: string): void }): void => {
    if ((value[a] === undefined) === (value[b] === undefined))
      context.addIssue(`has ${value[a] === undefined ? `neither ${a} nor` : `${a} and`} ${b}: ${message}`);
  };
