/** What became of one field. */
export interface Note {
  /** In the object that was read. */
  path: (string | number)[];
  /** Kept: somebody has to see to it. Unneeded: nothing has to be done in its place. */
  outcome: 'converted' | 'kept' | 'unneeded';
  /** What it has become; or why it has not, and what to do instead. */
  text: string;
}

export const converted = (path: Note['path'], text: string): Note => ({ path, outcome: 'converted', text });
export const kept = (path: Note['path'], text: string): Note => ({ path, outcome: 'kept', text });
export const unneeded = (path: Note['path'], text: string): Note => ({ path, outcome: 'unneeded', text });
