/** What has to hold before a span arrives, in the order in which one follows from the other. `verify` goes along it. */
export const LINKS = [
  ...(['operator', 'wanted', 'injected', 'policy', 'started', 'instrumented'] as const),
  ...(['asked', 'sampled', 'exported', 'accepted'] as const),
];
export type Link = (typeof LINKS)[number];

/** Something that keeps a workload from being traced as it is meant to be. */
export interface Problem {
  text: string;
  /** The command to type next. */
  next: string;
  /** What it breaks; left out where spans may arrive all the same. */
  link?: Link;
  /** Agents have said so: by now it may be otherwise. */
  by?: 'agents';
}

/** Something that keeps it from being traced, and that somebody has said so: no problem. */
export interface Wish extends Problem {
  link: Link;
  /** What `next` is for: `To have it traced`. */
  to: string;
}
