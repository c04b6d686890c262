import { JournalInvalid } from './errors.js';
import type { Engine } from './store/migrations.js';

/** Where a journal is, taken apart. */
export interface JournalAddress {
  engine: Engine;
  /** What the driver takes: a URL, which may hold a password, or a file's path. */
  location: string;
  /** The same for people: no password. */
  where: string;
}

/** @param url as `openJournal` takes it. @throws {JournalInvalid} whose message does not quote it. */
export function parseJournalUrl(url: string): JournalAddress {
  if (/^postgres(?:ql)?:\/\//.test(url)) {
    if (!URL.canParse(url))
      throw new JournalInvalid('The journal’s address is not a URL: postgres://user@host/database');
    const { hostname, port, pathname } = new URL(url);
    return { engine: 'postgres', location: url, where: `postgres://${hostname}${port && `:${port}`}${pathname}` };
  }
  const file = url.replace(/^sqlite:(?:\/\/(?=\/))?/, '');
  if (file === '' || file === ':memory:' || /^[a-z][a-z0-9+.-]+:\/\//i.test(file)) {
    throw new JournalInvalid('The journal’s address must be sqlite:/path/to/file.db, a path, or postgres://…');
  }
  return { engine: 'sqlite', location: file, where: file };
}
