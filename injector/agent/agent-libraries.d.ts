/** Made by build.ts from the installed OpenTelemetry packages. */
declare module 'agent:libraries' {
  /** Which package is patched by which instrumentations, and in which of its files. */
  export interface LibraryTable {
    packages: Record<string, { instrumentations: string[]; main: boolean; files: string[] }>;
    builtins: Record<string, string[]>;
    classes: Record<string, string>;
    offByDefault: string[];
  }
  export const libraries: LibraryTable;
  export const version: string;
  export const sdkVersion: string;
}
