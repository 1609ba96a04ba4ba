/** What became of one field. */
export interface Note {
  /** In the object that was read. */
  path: (string | number)[];
  converted: boolean;
  /** What it has become; or why it has not, and what to do instead. */
  text: string;
}

export const converted = (path: Note['path'], text: string): Note => ({ path, converted: true, text });
export const kept = (path: Note['path'], text: string): Note => ({ path, converted: false, text });
