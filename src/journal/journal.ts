import type { IsoTime, RefId } from '../domain/ids.js';
import type { InstanceEvent, InstanceState } from '../domain/instance/index.js';
import type { FollowOptions } from './follow.js';
import type { Difference, Rebuilt, Verified } from './models/rebuild.js';
import type { AttemptQuery, AttemptRow, OfferRefusals } from './queries/attempts.js';
import type { BootTimes } from './queries/boot-times.js';
import type { InstanceFilter, InstanceQuery, InstanceRow } from './queries/instances.js';
import type { Page } from './queries/page.js';
import type { Usage, UsageQuery } from './queries/usage.js';
import type { Appended } from './store/append.js';
import type { JournalEntry, SupersededEntry } from './store/entries.js';
import type { Superseded } from './store/supersede.js';
import type { WebhookStore } from './webhook-store.js';

export type {
  Appended,
  AttemptQuery,
  AttemptRow,
  BootTimes,
  Difference,
  FollowOptions,
  InstanceFilter,
  InstanceQuery,
  InstanceRow,
  JournalEntry,
  OfferRefusals,
  Page,
  Rebuilt,
  Superseded,
  SupersededEntry,
  Usage,
  UsageQuery,
  Verified,
};

/** What happened, in order: the truth that everything else is made from. */
export interface EventStore {
  /**
   * Stores events of one instance, with the read models, in one transaction; resolves once they are on the disk. The
   * events count up without a gap, from at most the one after the newest known, or from a `FactsLost` on. Those that are known and equal are
   * skipped, so that a repeated call changes nothing, whichever run each is from. A refused call leaves nothing.
   *
   * `runId` is the run of the workflow that wrote them, and is kept with each.
   *
   * Appends of one process are stored in the order of their calls, many to a transaction when many come at once.
   * @throws {JournalConflict} another event is stored under one of the numbers: it stays. Nothing a retry mends. Its
   *   `stored.runId` says whose it is: that of the run this one was reset from means `supersede`.
   * @throws {JournalStaleRun} a later run has written since.
   * @throws {JournalGap} events are missing before these: offer them from `expectedSeq` on.
   * @throws {JournalInvalid} what is offered is not a life's events.
   * @throws {JournalUnavailable} it may or may not have happened; repeat it.
   */
  append(refId: RefId, events: readonly InstanceEvent[], options?: { runId?: string }): Promise<Appended>;

  /**
   * Stores what a reset run says happened, where that differs from what is stored: in one transaction the stored events
   * from the first differing one on are put aside (`superseded`), these are appended at new positions, the first of them
   * marked `supersedes`, and the read models follow. Events that do not differ stay, at their positions. Repeated, it
   * changes nothing; where nothing differs, it is an append.
   *
   * `over` is a run that is known to be older, though it may have written last.
   * @throws {JournalConflict} what would be put aside is in part this very run's: a run does not contradict itself.
   * @throws {JournalStaleRun} another run than `over` has written since: only the newest run may supersede.
   * @throws also as `append`
   */
  supersede(
    refId: RefId,
    events: readonly InstanceEvent[],
    options: { runId: string; reason: string; over?: string },
  ): Promise<Superseded>;

  /** What was put aside of one instance, in the order in which it was stored: when, by which run, why. For audit. */
  superseded(refId: RefId): Promise<SupersededEntry[]>;

  /** One instance's events from `fromSeq` (default 1) on, in order; none for one that is not known. */
  read(refId: RefId, fromSeq?: number): Promise<JournalEntry[]>;

  /** Events of all instances after a position (default 0: from the first), in order; at most `limit` (default 500). */
  readAll(options?: { after?: number; limit?: number }): Promise<JournalEntry[]>;

  /**
   * Every event after a position, in order and each once, then those to come. Ends when the signal aborts. To go on
   * after a crash, follow after the position of the last event dealt with. Who is behind does not see what was
   * superseded meanwhile; who has seen it is told by `supersedes` to forget.
   * @throws {JournalUnavailable} while the database does not answer: follow again from there.
   */
  follow(options?: FollowOptions): AsyncIterable<JournalEntry>;

  /** The position of the newest event; 0 while there is none. */
  head(): Promise<number>;

  /** The fold of one instance's events; `undefined` for one that is not known. @throws {CorruptHistoryError} */
  stateOf(refId: RefId): Promise<InstanceState | undefined>;
}

/** What the events amount to. Written with each append, and from the events alone: `rebuild` gives the same. */
export interface ReadModels {
  instances(query?: InstanceQuery): Promise<Page<InstanceRow>>;
  countInstances(filter?: InstanceFilter): Promise<number>;
  /** Attempts to create, newest first. */
  attempts(query?: AttemptQuery): Promise<Page<AttemptRow>>;
  /** By offer: how often it was refused, and by what last. */
  refusals(query?: { offerId?: string; since?: IsoTime }): Promise<OfferRefusals[]>;
  /** By offer: how long its machines took to run, and to be ready. */
  bootTimes(query?: { offerId?: string; since?: IsoTime }): Promise<BootTimes[]>;
  /** Machine-hours and cost, by instance, offer, credential or provider. */
  usage(query?: UsageQuery): Promise<Usage[]>;
  /** Writes all of the above anew from the events; others may append and read meanwhile. */
  rebuild(): Promise<Rebuilt>;
  /** Compares all of the above with a fold of all events, and looks for holes; changes nothing. */
  verify(): Promise<Verified>;
}

/** Events that outlive the engine, and what is read from them. Safe to share by any number of processes. */
export interface Journal extends EventStore, ReadModels {
  /** Where it is, for people: no password. */
  readonly where: string;
  /** What the webhook sink keeps here, and the dead letters. */
  readonly webhooks: WebhookStore;
  /** Lets what is under way finish. */
  close(): Promise<void>;
}
