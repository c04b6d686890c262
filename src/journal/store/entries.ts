import type { Selectable } from 'kysely';
import type { IsoTime, RefId } from '../../domain/ids.js';
import type { InstanceEvent } from '../../domain/instance/index.js';
import { type StoredEvent, upcast } from '../stored-event.js';
import type { Reader } from './database.js';
import type { EventTable } from './tables.js';

/** One event in its place. */
export interface JournalEntry {
  /**
   * Its place among the events of all instances, in the order of commits: 1, 2, 3 … No position is given twice; those
   * of superseded events are missing.
   */
  position: number;
  refId: RefId;
  /** As today's code knows it, whatever version it was stored in. */
  event: InstanceEvent;
  /** The version it is stored in. */
  schemaVersion: number;
  /** When the journal got it; `event.at` is when it happened. */
  recordedAt: IsoTime;
  /** The run of the workflow that wrote it; absent where it was not told. */
  runId?: string;
  /** How often events of this instance had been superseded when this one was stored: 0, but after a reset. */
  revision: number;
  /**
   * It is the first that a reset run wrote otherwise: what was known of this instance from `event.seq` on no longer
   * holds, and comes anew from here.
   */
  supersedes?: true;
}

/** An event that no longer holds, kept for audit. */
export interface SupersededEntry extends JournalEntry {
  supersededAt: IsoTime;
  /** The run that took its place. */
  supersededBy: string;
  reason: string;
}

export function toEntry(row: Selectable<EventTable>): JournalEntry {
  const { position, refId, schemaVersion, recordedAt, revision, type, seq, at } = row;
  const stored = { type, ...(JSON.parse(row.data) as object), seq, at } as StoredEvent;
  return {
    position,
    refId,
    event: upcast(stored, schemaVersion),
    schemaVersion,
    recordedAt,
    ...(row.runId !== '' && { runId: row.runId }),
    revision,
    ...(row.supersedes === 1 && { supersedes: true }),
  };
}

/** One instance's entries from `fromSeq` on, in order. */
export async function entriesOf(db: Reader, refId: RefId, fromSeq = 1): Promise<JournalEntry[]> {
  const query = db.selectFrom('journalEvent').selectAll().where('refId', '=', refId).where('seq', '>=', fromSeq);
  return (await query.orderBy('seq').execute()).map(toEntry);
}

/** One instance's events that no longer hold, in the order in which they were stored. */
export async function supersededOf(db: Reader, refId: RefId): Promise<SupersededEntry[]> {
  const rows = await db
    .selectFrom('journalSuperseded')
    .selectAll()
    .where('refId', '=', refId)
    .orderBy('position')
    .execute();
  return rows.map((row) => {
    const { supersededAt, supersededBy, reason } = row;
    return { ...toEntry(row), supersededAt, supersededBy, reason };
  });
}

/** Entries of all instances after a position, in order. */
export async function entriesAfter(db: Reader, after: number, limit: number): Promise<JournalEntry[]> {
  const query = db.selectFrom('journalEvent').selectAll().where('position', '>', after);
  return (await query.orderBy('position').limit(limit).execute()).map(toEntry);
}

/** The newest position; 0 while nothing is stored. */
export async function headPosition(db: Reader): Promise<number> {
  const row = await db
    .selectFrom('journalEvent')
    .select('position')
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.position ?? 0;
}
