const KEPT = 'tracing-theme';

/** Colors as the system has them, or as they were chosen here. */
export function applyTheme(select: HTMLSelectElement): void {
  const set = (theme: string) => {
    if (theme) document.documentElement.dataset['theme'] = theme;
    else delete document.documentElement.dataset['theme'];
  };
  select.value = localStorage.getItem(KEPT) ?? '';
  set(select.value);
  select.addEventListener('change', () => {
    localStorage.setItem(KEPT, select.value);
    set(select.value);
  });
}
