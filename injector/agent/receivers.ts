import { CredentialDirectory } from './credentials.ts';
import { hostOf } from './endpoint.ts';
import type { Addresses } from './export/address.ts';
import type { ExportServices } from './export/destination.ts';
import type { LastBatch } from './export/last.ts';
import type { Libraries } from './libraries.ts';
import type { Problems } from './problems.ts';
import type { Destination } from './queue.ts';
import { sayOnce } from './report.ts';
import type { ExporterSettings } from './settings.ts';

/** Who gets what this process sends, of all signals: their addresses, their credentials, and how they are opened. */
export class Receivers {
  /** Whether what is done at the moment is our own: it is not traced. */
  muted = false;
  list: ExporterSettings[] = [];
  private readonly libraries: Libraries;
  private readonly problems: Problems;
  private readonly require: NodeJS.Require;
  private readonly credentials: CredentialDirectory;
  /** Whether their addresses are being found out. */
  private prepared = false;

  /** @param directory Where Secrets and ConfigMaps are mounted. */
  constructor(libraries: Libraries, problems: Problems, require: NodeJS.Require, directory: string | undefined) {
    this.libraries = libraries;
    this.problems = problems;
    this.require = require;
    this.credentials = new CredentialDirectory(directory);
  }

  set(list: ExporterSettings[]): void {
    for (const { name } of this.list) this.problems.clear(`exporter ${name}`);
    this.list = list;
    this.prepared = false;
    this.checkCredentials();
  }

  open(exporter: ExporterSettings): Destination {
    const { openDestination } = this.libraries.piece('export') as {
      openDestination: (settings: ExporterSettings, services: ExportServices) => Destination;
    };
    return openDestination(exporter, {
      require: this.require,
      sayOnce,
      untraced: (work) => this.untraced(work),
      credentials: (files) => this.credentials.get(files),
      addresses: () => this.addresses,
      sendLast: (batch) =>
        this.untraced(() => (this.libraries.piece('last')['sendLast'] as (b: LastBatch) => void)(batch)),
    });
  }

  /** Has their addresses found out: a process may end before its first batch is due. */
  prepare(): void {
    if (this.prepared) return;
    this.prepared = true;
    for (const { endpoint } of this.list)
      if (URL.canParse(endpoint)) this.untraced(() => this.addresses.prepare(hostOf(new URL(endpoint))));
  }

  /** Looks whether credentials are other ones than before. */
  refresh(): void {
    this.credentials.refresh((changed) => {
      if (changed) this.checkCredentials();
    });
  }

  /** Runs work whose requests are our own. */
  untraced<T>(work: () => T): T {
    this.muted = true;
    try {
      return work();
    } finally {
      this.muted = false;
    }
  }

  private get addresses(): Addresses {
    const { addresses } = this.libraries.piece('address') as { addresses: Addresses };
    return addresses;
  }

  /** Says which of them wait for a Secret or ConfigMap; they are tried again with each batch. */
  private checkCredentials(): void {
    for (const { name, files } of this.list) {
      const found = files && this.credentials.get(files);
      if (typeof found === 'string') this.problems.set(`exporter ${name}`, found);
      else this.problems.clear(`exporter ${name}`);
    }
  }
}
