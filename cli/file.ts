import { readFileSync } from 'node:fs';
import { InputError } from './input-error.ts';

/** What was given for an option that names a file. @throws InputError where it is missing. */
export function given(file: string | undefined, option: string, example: string): string {
  if (file === undefined || file === '') throw new InputError(`${option} is missing, e.g. ${example}`);
  return file;
}

/** How a file is called in messages. */
export function shown(file: string): string {
  return file === '-' ? 'standard input' : file;
}

/** The text of a file, or of standard input for `-`. @throws InputError */
export function read(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a directory' : message;
    throw new InputError(`${shown(file)}: ${why}. A file is expected, or - for standard input`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new InputError(`${shown(file)}: it is not text in UTF-8`);
  }
}
