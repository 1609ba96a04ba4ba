import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';
import { ensurePackages } from '../cluster/packages.ts';

const PACKAGE = { package: 'chromium', provides: 'chromium' };

/** Debian's browser: installed where it is missing and may be. */
export async function installChromium(): Promise<void> {
  await ensurePackages([PACKAGE]);
}

export async function startChromium(): Promise<Browser> {
  await installChromium();
  // Its sandbox does not run as root. It is shown nothing but the page.
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}
