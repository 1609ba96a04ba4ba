/**
 * Reads what is written in an object of a watch, once for each version of it: such objects are replaced, never changed, and
 * what is in them is asked for with each pod that is admitted.
 */
export function readOnce<From extends object, To>(read: (object: From) => To): (object: From) => To {
  const known = new WeakMap<From, { value: To }>();
  return (object) => {
    let entry = known.get(object);
    if (!entry) known.set(object, (entry = { value: read(object) }));
    return entry.value;
  };
}
