import type { JournalEntry } from './store/entries.js';

export interface FollowOptions {
  /** The position of the last event already seen; 0, the default, is before the first. */
  after?: number;
  /** Ends the iteration, also while it waits. */
  signal?: AbortSignal;
  /** How often other processes' appends are looked for, in ms, when there is nothing new. Default 250. */
  pollMs?: number;
}

const PAGE = 500;

/** What following needs of a journal. `onAppend` calls back after each commit of this process. */
export interface Followed {
  entriesAfter(position: number, limit: number): Promise<JournalEntry[]>;
  onAppend(wake: () => void): () => void;
}

/**
 * Every event after a position, in order, for ever: each once, none left out. To go on after a crash, begin again
 * after the position of the last event that was dealt with.
 *
 * It can rely on positions alone because appends commit in their order (`Database.writeInTurn`): what is visible is
 * always a beginning of the whole.
 * @throws {JournalUnavailable} when the database does not answer; follow again from the last position.
 */
export async function* follow(
  journal: Followed,
  options: FollowOptions = {},
): AsyncGenerator<JournalEntry, void, void> {
  const { after = 0, signal, pollMs = 250 } = options;
  let position = after;
  let news = false;
  let ring = (): void => undefined;
  const stop = journal.onAppend(() => {
    news = true;
    ring();
  });
  try {
    while (!signal?.aborted) {
      news = false;
      const page = await journal.entriesAfter(position, PAGE);
      for (const entry of page) {
        if (signal?.aborted) return;
        position = entry.position;
        yield entry;
      }
      if (page.length === 0 && !news) {
        await rest(pollMs, signal, (wake) => {
          ring = wake;
        });
      }
    }
  } finally {
    stop();
  }
}

/** Until the time has passed, the signal aborts, or whoever was given `wake` calls it. */
async function rest(ms: number, signal: AbortSignal | undefined, giveWake: (wake: () => void) => void): Promise<void> {
  let wake = (): void => undefined;
  const woken = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const timer = setTimeout(wake, ms);
  signal?.addEventListener('abort', wake, { once: true });
  if (signal?.aborted) wake();
  giveWake(wake);
  await woken;
  clearTimeout(timer);
  signal?.removeEventListener('abort', wake);
}
