import { setTimeout as sleep } from 'node:timers/promises';
import type { Journal, JournalEntry } from '../journal/index.js';

export interface FollowEventsOptions {
  /** The position of the last event already dealt with; 0, the default, is before the first. */
  after?: number;
  /** Ends the iteration, also while it waits. */
  signal?: AbortSignal;
  /** How often new events are looked for, in ms, when there are none. Default 250. */
  pollMs?: number;
  /** The journal does not answer; it is asked again until it does. Called at each try that fails. */
  onTrouble?: (error: Error) => void;
}

/** Between two tries while the journal does not answer, in ms. */
const TRY_AGAIN_MS = { first: 250, ceiling: 5_000 };

/**
 * Every event after a position, in order and each once, for ever; a database that restarts is waited for. To go on after
 * a crash, keep the position of each event with what was made of it, and follow after the last.
 *
 * @throws {JournalError} for anything that waiting does not mend.
 */
export async function* followEvents(
  journal: Pick<Journal, 'follow'>,
  { after = 0, signal, pollMs, onTrouble }: FollowEventsOptions = {},
): AsyncGenerator<JournalEntry, void, void> {
  let position = after;
  let gap = TRY_AGAIN_MS.first;
  while (!signal?.aborted) {
    try {
      const follow = { after: position, ...(signal && { signal }), ...(pollMs !== undefined && { pollMs }) };
      for await (const entry of journal.follow(follow)) {
        gap = TRY_AGAIN_MS.first;
        position = entry.position;
        yield entry;
      }
      return; // the signal
    } catch (error) {
      if (!isOutage(error)) throw error;
      onTrouble?.(error);
      await sleep(gap, undefined, signal && { signal }).catch(() => undefined);
      gap = Math.min(gap * 2, TRY_AGAIN_MS.ceiling);
    }
  }
}

/** By name and kind: to ask this question does not load the database drivers. */
function isOutage(error: unknown): error is Error {
  return error instanceof Error && error.name === 'JournalUnavailable';
}
