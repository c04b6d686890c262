import { readJournalUrl } from '../config/journal.js';
import type { Journal } from '../journal/index.js';
import { BadInput } from './failure.js';
import { say } from './terminal.js';

/**
 * Where the journal is, as workers are told too; undefined where none is kept. It may hold a password: never print it.
 * @throws {BadInput}
 */
export function findJournalUrl(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const issues: string[] = [];
  const url = readJournalUrl(env, (where, message) => issues.push(`${where} ${message}`));
  if (issues.length > 0) throw new BadInput(`${issues.join('; ')}.`);
  return url;
}

/** @throws {BadInput} when none is named. */
export function requireJournalUrl(env: NodeJS.ProcessEnv = process.env): string {
  const url = findJournalUrl(env);
  if (url) return url;
  throw new BadInput('No journal to read. Say where it is with SLIPWAY_JOURNAL_URL, as the workers have it.');
}

/** Runs one command's work with the journal, and leaves no connection behind. The drivers are loaded only here. */
export async function withJournal<T>(work: (journal: Journal) => Promise<T>, url = requireJournalUrl()): Promise<T> {
  const { openJournal } = await import('../journal/index.js');
  const journal = await openJournal(url);
  try {
    return await work(journal);
  } finally {
    await journal.close();
  }
}

/**
 * The same where Temporal has told the most of it: a journal that is away takes nothing from that. It is said on stderr,
 * and the answer is undefined.
 */
export async function withJournalIfThere<T>(work: (journal: Journal) => Promise<T>): Promise<T | undefined> {
  try {
    return await withJournalIfAny(work);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'JournalUnavailable') throw error;
    say(`This is what Temporal knows. ${error.message}`);
    return undefined;
  }
}

/** The same where a journal is only a second source: undefined where none is kept. */
export async function withJournalIfAny<T>(work: (journal: Journal) => Promise<T>): Promise<T | undefined> {
  const url = findJournalUrl();
  return url === undefined ? undefined : await withJournal(work, url);
}
