import { type JournalAddress, parseJournalUrl } from '../journal/address.js';
import { MIN_SECRET_LENGTH, registerSecrets } from '../redact.js';
import type { Env, Report } from './source.js';

const VARIABLE = 'SLIPWAY_JOURNAL_URL';
const FORMS = 'must be sqlite:/path/to/file.db, a path, or postgres://user:password@host/database';

/**
 * Where the journal is: `sqlite:/path/to/file.db`, a path, or `postgres://…`, as `openJournal` takes it. Its password is
 * registered as a secret. @returns undefined when none is named, or it was reported instead.
 */
export function readJournalUrl(env: Env, report: Report): string | undefined {
  const url = env[VARIABLE]?.trim();
  if (!url) return undefined;
  let address: JournalAddress;
  try {
    address = parseJournalUrl(url);
  } catch {
    report(VARIABLE, FORMS); // never the value: it may hold a password
    return undefined;
  }
  if (address.engine === 'postgres') {
    const { password } = new URL(url);
    // A shorter one would be found inside ordinary words; the journal's own messages leave it out anyway.
    if (password.length >= MIN_SECRET_LENGTH) registerSecrets([password, decodeURIComponent(password)]);
  }
  return url;
}
