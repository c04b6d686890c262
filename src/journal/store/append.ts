import { type RefId, toIsoTime } from '../../domain/ids.js';
import type { InstanceEvent } from '../../domain/instance/index.js';
import { JournalConflict, type JournalError, JournalGap, JournalInvalid } from '../errors.js';
import { sameJson } from '../json.js';
import { advance, foldLife, type Life } from '../models/life.js';
import type { LifeCache } from '../models/life-cache.js';
import { changedRows, chunks, putRows } from '../models/write.js';
import { SCHEMA_VERSION, toData } from '../stored-event.js';
import type { Writer } from './database.js';
import { entriesOf, headPosition, toEntry } from './entries.js';
import type { EventTable } from './tables.js';

/** What is asked of one append. */
export interface Append {
  refId: RefId;
  events: readonly InstanceEvent[];
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
  lives: Life[];
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
  for (const { refId, events } of appends) {
    const life = lives.get(refId);
    const seq = life?.seq ?? 0;
    const known = events.filter((event) => event.seq <= seq);
    const fresh = events.slice(known.length);
    const [next] = fresh;
    const repeated = known.length > 0 ? await compareKnown(trx, refId, known, rows) : { position: 0 };
    if (repeated instanceof JournalConflict) results.push(repeated);
    else if (next && next.seq !== seq + 1) results.push(new JournalGap(refId, seq + 1, next.seq));
    else if (!next) results.push({ appended: 0, seq, position: repeated.position });
    else {
      const grown = grow(life, fresh);
      if (grown) lives.set(refId, grown);
      for (const event of fresh) rows.push(toRow(refId, event, ++position, recordedAt));
      results.push({ appended: fresh.length, seq: grown?.seq ?? seq, position });
    }
  }

  for (const chunk of chunks(rows)) await trx.insertInto('journalEvent').values(chunk).execute();
  const changed = [...lives.values()].filter((life) => life !== stored.get(life.refId));
  await putRows(
    trx,
    changed.map((life) => changedRows(stored.get(life.refId), life)),
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
    if (!entry) throw new Error(`${refId}/${offered.seq} is missing below the instance's newest event`);
    if (!sameJson(entry.event, offered)) return new JournalConflict(refId, offered.seq, entry.event, offered);
  }
  return { position: bySeq.get(known.at(-1)?.seq ?? 0)?.position ?? 0 };
}

function toRow(refId: RefId, event: InstanceEvent, position: number, recordedAt: string): EventTable {
  const { seq, type, at } = event;
  return { position, refId, seq, type, at, schemaVersion: SCHEMA_VERSION, data: toData(event), recordedAt };
}
