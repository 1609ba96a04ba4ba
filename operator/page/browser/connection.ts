import type { NamespaceState, ViewerState } from '../state.ts';
import { authorization } from './session.ts';
import { ServerEvents } from './server-events.ts';

export interface Listener {
  viewer(viewer: ViewerState): void;
  namespace(state: NamespaceState): void;
  gone(namespace: string): void;
  /** All that there is has been sent, as of now. @param sent namespaces since the connection began. */
  current(sent: ReadonlySet<string>): void;
  /** Nothing comes for the moment. */
  broken(why: string): void;
  /** The server wants to know who this is. */
  refused(why: string): void;
}

/** Milliseconds: until it is tried again, the first time and at most; and after which silence counts as the end. */
const AGAIN = { first: 1_000, most: 30_000 };
const SILENCE = 45_000;

/** Follows the cluster for as long as the page is open, and comes again when the connection breaks. */
export async function follow(listener: Listener): Promise<void> {
  let pause = AGAIN.first;
  for (;;) {
    let came = false;
    try {
      const refused = await listen(listener, () => (came = true));
      if (refused !== undefined) return listener.refused(refused);
      listener.broken('The server has ended the connection');
    } catch (error) {
      listener.broken(error instanceof Error ? error.message : String(error));
    }
    pause = came ? AGAIN.first : Math.min(pause * 2, AGAIN.most);
    // Not all of the pages of a replica that has ended come at once.
    await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())));
  }
}

/** @returns why the server does not take who this is; undefined where the connection has ended otherwise. */
async function listen(listener: Listener, onEvent: () => void): Promise<string | undefined> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE);
  try {
    const response = await fetch('api/stream', { headers: authorization(), signal: silence.signal });
    if (response.status === 401) return await response.text();
    if (!response.ok || !response.body) throw new Error((await response.text()).trim());
    const events = new ServerEvents();
    const sent = new Set<string>();
    const texts = response.body.pipeThrough(new TextDecoderStream());
    for await (const piece of texts) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(new Error('Nothing has come for 45 seconds')), SILENCE);
      for (const { name, data } of events.take(piece)) {
        onEvent();
        if (name === 'ended') return 'Your token has ended';
        tell(listener, name, JSON.parse(data), sent);
      }
    }
    return undefined;
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

function tell(listener: Listener, name: string, data: unknown, sent: Set<string>): void {
  if (name === 'viewer') listener.viewer(data as ViewerState);
  if (name === 'current') listener.current(sent);
  const { namespace } = data as NamespaceState;
  if (name === 'namespace') {
    sent.add(namespace);
    listener.namespace(data as NamespaceState);
  }
  if (name === 'gone') {
    sent.delete(namespace);
    listener.gone(namespace);
  }
}
