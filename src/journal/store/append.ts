import { type RefId, toIsoTime } from '../../domain/ids.js';
import type { InstanceEvent } from '../../domain/instance/index.js';
import { JournalConflict, type JournalError, JournalGap, JournalInvalid, JournalStaleRun } from '../errors.js';
import { sameJson } from '../json.js';
import { advance, foldLife, type Life } from '../models/life.js';
import type { Head, KnownLife, LifeCache } from '../models/life-cache.js';
import { changedRows, chunks, putRows } from '../models/write.js';
import { SCHEMA_VERSION, toData } from '../stored-event.js';
import type { Writer } from './database.js';
import { entriesOf, headPosition, toEntry } from './entries.js';
import type { EventTable } from './tables.js';

/** What is asked of one append. */
export interface Append {
  refId: RefId;
  events: readonly InstanceEvent[];
  /** The run of the workflow that wrote them. */
  runId?: string;
  /** A run that is known to be over, though it may have written last: an activity of it came late. */
  over?: string;
}

export interface Appended {
  /** How many of the events were new. */
  appended: number;
  /** The instance's newest event in the journal. */
  seq: number;
  /** The position of the last event given; 0 when none was given. */
  position: number;
}

/** Rows of one transaction, and the lives to remember once it is committed. */
export interface Batch {
  results: (Appended | JournalError)[];
  lives: KnownLife[];
}

/** @throws {JournalInvalid} for what no journal could take, whatever it holds. */
export function checkAppend({ refId, events }: Append): void {
  for (const [index, event] of events.entries()) {
    const expected = (events[0]?.seq ?? 1) + index;
    if (!Number.isSafeInteger(event.seq) || event.seq < 1 || typeof event.at !== 'string' || !event.type) {
      throw new JournalInvalid(`${refId}: events[${index}] has no type, time or number`);
    }
    if (event.seq !== expected) throw new JournalGap(refId, expected, event.seq);
    if ((event.seq === 1) !== (event.type === 'InstanceRequested')) {
      throw new JournalInvalid(`${refId}/${event.seq}: a life begins with InstanceRequested, and only there`);
    }
    if (event.type === 'InstanceRequested' && event.request.refId !== refId) {
      throw new JournalInvalid(`${refId}: the request is of ${event.request.refId}`);
    }
  }
}

/**
 * Stores several appends in one transaction that no other append overlaps, and the read models with them. An append
 * that is refused leaves no trace, and the others are not touched.
 */
export async function storeBatch(trx: Writer, appends: readonly Append[], cache: LifeCache): Promise<Batch> {
  const recordedAt = toIsoTime(Date.now());
  const stored = await cache.load(trx, [...new Set(appends.map(({ refId }) => refId))]);
  const lives = new Map(stored);
  const rows: EventTable[] = [];
  let position = await headPosition(trx);

  const results: Batch['results'] = [];
  for (const append of appends) {
    const { refId, events, runId = '' } = append;
    const known = lives.get(refId);
    const seq = known?.head.seq ?? 0;
    const repeats = events.filter((event) => event.seq <= seq);
    const fresh = events.slice(repeats.length);
    const [next] = fresh;
    const repeated = repeats.length > 0 ? await compareKnown(trx, refId, repeats, rows) : { position: 0 };
    const stale = next && known && (await staleRun(trx, append, known.head, rows));
    if (repeated instanceof JournalConflict) results.push(repeated);
    else if (next && next.seq !== seq + 1 && next.type !== 'FactsLost')
      results.push(new JournalGap(refId, seq + 1, next.seq));
    else if (stale) results.push(stale);
    else if (!next) results.push({ appended: 0, seq, position: repeated.position });
    else {
      const revision = known?.head.revision ?? 0;
      for (const event of fresh) {
        position += 1;
        rows.push(toRow(refId, event, { position, recordedAt, runId, revision, supersedes: 0 }));
      }
      const life = grow(known?.life, fresh);
      const last = fresh.at(-1)?.seq ?? seq;
      if (life) lives.set(refId, { life, head: { seq: last, position, runId, revision } });
      results.push({ appended: fresh.length, seq: last, position });
    }
  }

  for (const chunk of chunks(rows)) await trx.insertInto('journalEvent').values(chunk).execute();
  const changed = [...lives.values()].filter((known) => known !== stored.get(known.life.refId));
  await putRows(
    trx,
    changed.map(({ life }) => changedRows(stored.get(life.refId)?.life, life)),
  );
  return { results, lives: changed };
}

function grow(life: Life | undefined, events: readonly InstanceEvent[]): Life | undefined {
  return life ? events.reduce(advance, life) : foldLife(events);
}

/** Are these events the stored ones? `pending`: rows of this very transaction. */
async function compareKnown(
  trx: Writer,
  refId: RefId,
  known: readonly InstanceEvent[],
  pending: readonly EventTable[],
): Promise<JournalConflict | { position: number }> {
  const inTable = await entriesOf(trx, refId, known[0]?.seq);
  const entries = [...inTable, ...pending.filter((row) => row.refId === refId).map(toEntry)];
  const bySeq = new Map(entries.map((entry) => [entry.event.seq, entry]));
  for (const offered of known) {
    const entry = bySeq.get(offered.seq);
    if (!entry) continue; // lost, and `FactsLost` says so: it was sent before that was known
    if (!sameJson(entry.event, offered)) return conflictOf(entry, offered);
  }
  return { position: bySeq.get(known.at(-1)?.seq ?? 0)?.position ?? 0 };
}

export function conflictOf(
  { refId, event, runId }: { refId: RefId; event: InstanceEvent; runId?: string },
  offered: InstanceEvent,
): JournalConflict {
  const { seq, type, at } = event;
  return new JournalConflict(refId, seq, { type, at, ...(runId !== undefined && { runId }) }, offered);
}

/**
 * Is this run over? Runs of one workflow follow each other, so one that wrote before the newest event's run did, or
 * whose events were superseded, has nothing more to say: what still comes of it is an activity that outlived its run.
 * The other way round the tables look alike: an activity of the older run came late. Who knows that says so (`over`).
 * `pending`: rows of this very transaction.
 */
export async function staleRun(
  trx: Writer,
  { refId, runId = '', over }: Append,
  head: Head,
  pending: readonly EventTable[] = [],
): Promise<JournalStaleRun | undefined> {
  if (runId === '' || head.runId === '' || runId === head.runId || head.runId === over) return undefined;
  const wrote = (row: { refId: string; runId: string }) => row.refId === refId && row.runId === runId;
  const hasWritten =
    pending.some(wrote) ||
    (await hasRun(trx, 'journalEvent', refId, runId)) ||
    (await hasRun(trx, 'journalSuperseded', refId, runId));
  return hasWritten ? new JournalStaleRun(refId, runId, head.runId) : undefined;
}

async function hasRun(
  trx: Writer,
  table: 'journalEvent' | 'journalSuperseded',
  refId: RefId,
  runId: string,
): Promise<boolean> {
  const query = trx.selectFrom(table).select('position').where('refId', '=', refId).where('runId', '=', runId);
  return (await query.limit(1).executeTakeFirst()) !== undefined;
}

type Stored = Pick<EventTable, 'position' | 'recordedAt' | 'runId' | 'revision' | 'supersedes'>;

export function toRow(refId: RefId, event: InstanceEvent, stored: Stored): EventTable {
  const { seq, type, at } = event;
  return { refId, seq, type, at, schemaVersion: SCHEMA_VERSION, data: toData(event), ...stored };
}
