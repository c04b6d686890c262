import type { IsoTime, RefId } from '../domain/ids.js';

/**
 * What a journal refuses, and why. `kind` is what callers decide by; names and kinds survive serialisation, so never
 * rename one. Messages name instances and events, never a password of the database's address.
 */
export type JournalErrorKind = 'conflict' | 'stale' | 'gap' | 'invalid' | 'unavailable' | 'schema';

export abstract class JournalError extends Error {
  abstract readonly kind: JournalErrorKind;
}

/**
 * Another event is known under this number. The stored one stays. `stored.runId` says who wrote it: another run that
 * the offering one was reset from (then `supersede`), or the same one, or a later one. The latter are no work for a
 * retry: two writers own one instance, or a history was changed. Raise the alarm; the instance itself need not stop.
 */
export class JournalConflict extends JournalError {
  override readonly name = 'JournalConflict';
  readonly kind = 'conflict';

  constructor(
    readonly refId: RefId,
    readonly seq: number,
    readonly stored: { type: string; at: IsoTime; runId?: string },
    readonly offered: { type: string; at: IsoTime },
  ) {
    super(
      `${refId}/${seq} is stored as ${stored.type} of ${stored.at}${stored.runId ? ` (run ${stored.runId})` : ''}; another event was offered under its number: ${offered.type} of ${offered.at}`,
    );
  }
}

/**
 * A later run of the same workflow has written since: the offering one was reset or continued as new, and what it
 * still does is not to be recorded. Nothing a retry mends; the late run has only to stop.
 */
export class JournalStaleRun extends JournalError {
  override readonly name = 'JournalStaleRun';
  readonly kind = 'stale';

  constructor(
    readonly refId: RefId,
    readonly runId: string,
    readonly currentRunId: string,
  ) {
    super(`${refId}: run ${runId} is over; the journal has events of run ${currentRunId} after its own`);
  }
}

/** Events are missing before the first one offered. Offer them from `expectedSeq` on. */
export class JournalGap extends JournalError {
  override readonly name = 'JournalGap';
  readonly kind = 'gap';

  constructor(
    readonly refId: RefId,
    readonly expectedSeq: number,
    readonly offeredSeq: number,
  ) {
    super(`${refId}: the journal expects event ${expectedSeq} next, and was offered ${offeredSeq}`);
  }
}

/** The call itself is wrong: an event without a place, a life that does not begin with its request, a foreign cursor. */
export class JournalInvalid extends JournalError {
  override readonly name = 'JournalInvalid';
  readonly kind = 'invalid';
}

/** The database does not answer, or is too busy. What was asked may or may not have happened: ask again, it is safe. */
export class JournalUnavailable extends JournalError {
  override readonly name = 'JournalUnavailable';
  readonly kind = 'unavailable';
}

/** The tables, or an event in them, and this code do not fit together: migrate, or run a newer Slipway. */
export class JournalSchemaMismatch extends JournalError {
  override readonly name = 'JournalSchemaMismatch';
  readonly kind = 'schema';
}
