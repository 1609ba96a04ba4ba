const GENERATION = 4_096;

/**
 * Gives equal values out as one: what the pods of a workload say of themselves is the same but for its numbers. Values are
 * looked up by their JSON, so the order of an object's fields counts. What has not been asked for in a while is given out
 * anew, so that the table does not grow with what has been.
 */
export class Shared {
  #recent = new Map<string, unknown>();
  #older = new Map<string, unknown>();

  /** The first value equal to this one; it must not be changed by anybody. */
  of<T>(value: T): T {
    if (value === undefined) return value;
    const key = JSON.stringify(value);
    if (this.#recent.has(key)) return this.#recent.get(key) as T;
    if (this.#recent.size >= GENERATION) {
      this.#older = this.#recent;
      this.#recent = new Map<string, unknown>();
    }
    const first = this.#older.has(key) ? (this.#older.get(key) as T) : value;
    this.#recent.set(key, first);
    return first;
  }
}
