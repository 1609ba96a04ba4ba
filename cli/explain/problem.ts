/** Something that keeps a workload from being traced as it is meant to be. */
export interface Problem {
  text: string;
  /** The command to type next. */
  next: string;
}
