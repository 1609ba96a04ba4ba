/** An element of the page itself. @throws where it is not there: page.html and this program belong together. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** A new element with a text, or with others in it. Texts of others are only ever text: nothing is parsed. */
export function make(tag: string, inside: string | Node[] = '', className = ''): HTMLElement {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (typeof inside === 'string') element.textContent = inside;
  else element.append(...inside);
  return element;
}

/** Terms and what is said of each. */
export function terms(pairs: readonly [term: string, said: string | Node[]][]): HTMLElement {
  return make(
    'dl',
    pairs.flatMap(([term, said]) => [make('dt', term), make('dd', said)]),
  );
}

export function list(items: readonly (string | Node[])[]): HTMLElement {
  return make(
    'ul',
    items.map((each) => make('li', each)),
  );
}
