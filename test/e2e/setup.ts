import { withFreshOperator } from './installation.ts';

/** Installs the operator once, for all the tests that run beside each other. */
export default async function setup(): Promise<void> {
  await withFreshOperator();
}
