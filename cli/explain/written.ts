interface ManagedField {
  manager?: string;
  subresource?: string;
  time?: string;
}

/**
 * When an object was last written, other than its status, or by one manager alone, milliseconds since 1970; undefined where that
 * cannot be seen.
 */
export function writtenAt(metadata: object, manager?: string): number | undefined {
  const { managedFields = [] } = metadata as { managedFields?: ManagedField[] };
  const times = managedFields
    .filter((field) => (manager === undefined ? field.subresource !== 'status' : field.manager === manager))
    .map(({ time }) => Date.parse(time ?? ''))
    .filter(Number.isFinite);
  return times.length > 0 ? Math.max(...times) : undefined;
}
