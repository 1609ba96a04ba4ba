/** Of the proxy that `kubectl tracing ui` runs: worth nothing to anybody else, and nothing when that has ended. */
const LOCAL = 'tracing-session';
/** A token of the cluster: for this tab alone. */
const TOKEN = 'tracing-token';

export function authorization(): Record<string, string> {
  const credential = sessionStorage.getItem(TOKEN) ?? localStorage.getItem(LOCAL);
  return credential === null ? {} : { authorization: `Bearer ${credential}` };
}

export function keepToken(token: string): void {
  sessionStorage.setItem(TOKEN, token);
}

export function forget(): void {
  sessionStorage.removeItem(TOKEN);
  localStorage.removeItem(LOCAL);
}

/** Exchanges the key of a link of `kubectl tracing ui`, which opens the page once, for a session. It stays in no history. */
export async function openLink(): Promise<void> {
  const [, key] = /^#open=([\w-]+)$/.exec(location.hash) ?? [];
  if (key === undefined) return;
  history.replaceState(null, '', location.pathname + location.search);
  const response = await fetch('open', { headers: { authorization: `Bearer ${key}` } });
  if (response.ok) localStorage.setItem(LOCAL, await response.text());
}
