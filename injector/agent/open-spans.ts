import type { Uncaught } from './uncaught.ts';

/** How many spans have not ended yet, and what becomes of them when an error is told of that nobody caught. */
export class OpenSpans {
  private readonly onFirst: () => void;
  private readonly load: () => { Uncaught: new () => Uncaught };
  private rest: Uncaught | undefined;
  private count = 0;

  /** `onFirst` is called when there is one again; `load` gives what few processes need. */
  constructor(onFirst: () => void, load: () => { Uncaught: new () => Uncaught }) {
    this.onFirst = onFirst;
    this.load = load;
  }

  get any(): boolean {
    return this.count > 0;
  }

  opened(): void {
    if (this.count++ === 0) this.onFirst();
  }

  closed(): void {
    this.count -= 1;
  }

  uncaught(error: unknown): void {
    if (this.any) (this.rest ??= new (this.load().Uncaught)()).strike(error);
  }

  abandon(): void {
    this.rest?.abandon();
  }
}
