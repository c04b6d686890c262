import { ProviderError } from '../domain/errors.js';

interface Page<T> {
  items: T[];
  nextPageToken?: string;
}

export interface Paging<T> {
  provider: string;
  operation: string;
  getPage: (pageToken: string | undefined) => Promise<Page<T>>;
  /** No two items of one listing may share it. */
  idOf: (item: T) => string;
}

const MOST_PAGES = 10_000;

/**
 * All pages, or an error: whatever a listing lacks is taken for gone.
 *
 * @throws {ProviderError} Internal when a page token or an item comes twice. Such a listing may have left something out
 * in its place, and asking again is cheap. What `getPage` throws passes.
 */
export async function collectPages<T>({ provider, operation, getPage, idOf }: Paging<T>): Promise<T[]> {
  const items = new Map<string, T>();
  const tokens = new Set<string>();
  const refuse = (why: string): never => {
    throw new ProviderError({ kind: 'Internal', operation, message: `${provider}: ${operation}: the listing ${why}` });
  };
  let pageToken: string | undefined;
  do {
    const page = await getPage(pageToken);
    for (const item of page.items) {
      if (items.has(idOf(item))) refuse('repeated a page');
      items.set(idOf(item), item);
    }
    pageToken = page.nextPageToken;
    if (pageToken !== undefined && tokens.has(pageToken)) refuse('repeated a page');
    if (pageToken !== undefined) tokens.add(pageToken);
    if (tokens.size > MOST_PAGES) refuse('does not end');
  } while (pageToken !== undefined);
  return [...items.values()];
}
