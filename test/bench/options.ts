/** The value of an option that is a whole number, at least `least`; throws with what is allowed. */
export function wholeNumber(name: string, text: string, least = 1): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least)
    throw new Error(`--${name} must be a whole number from ${least} on: ${text}`);
  return value;
}
