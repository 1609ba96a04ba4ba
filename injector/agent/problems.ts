/**
 * What the policy asks for that this process cannot do, by what it is about: `set('exporter default', 'no Secret …')`. It
 * stands until it is cleared, and goes to the operator, whose status shows it. Set again with the same words, nothing
 * happens, so that a check may run as often as it likes.
 */
export class Problems {
  private readonly current = new Map<string, string>();
  private readonly onChange: () => void;

  constructor(onChange: () => void) {
    this.onChange = onChange;
  }

  /** A short sentence without numbers that run: what is asked, why it cannot be done, what to do. */
  set(about: string, problem: string): void {
    if (this.current.get(about) === problem) return;
    this.current.set(about, problem);
    this.onChange();
  }

  clear(about: string): void {
    if (this.current.delete(about)) this.onChange();
  }

  list(): string[] {
    return [...this.current].map(([about, problem]) => `${about}: ${problem}`).sort();
  }
}
