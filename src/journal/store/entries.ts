import type { Selectable } from 'kysely';
import type { IsoTime, RefId } from '../../domain/ids.js';
import type { InstanceEvent } from '../../domain/instance/index.js';
import { type StoredEvent, upcast } from '../stored-event.js';
import type { Reader } from './database.js';
import type { EventTable } from './tables.js';

/** One event in its place. */
export interface JournalEntry {
  /** Its place among the events of all instances: 1, 2, 3 … without a gap, in the order of commits. */
  position: number;
  refId: RefId;
  /** As today's code knows it, whatever version it was stored in. */
  event: InstanceEvent;
  /** The version it is stored in. */
  schemaVersion: number;
  /** When the journal got it; `event.at` is when it happened. */
  recordedAt: IsoTime;
}

export function toEntry({ position, refId, schemaVersion, recordedAt, ...row }: Selectable<EventTable>): JournalEntry {
  const { type, seq, at } = row;
  const stored = { type, ...(JSON.parse(row.data) as object), seq, at } as StoredEvent;
  return { position, refId, event: upcast(stored, schemaVersion), schemaVersion, recordedAt };
}

/** One instance's entries from `fromSeq` on, in order. */
export async function entriesOf(db: Reader, refId: RefId, fromSeq = 1): Promise<JournalEntry[]> {
  const query = db.selectFrom('journalEvent').selectAll().where('refId', '=', refId).where('seq', '>=', fromSeq);
  return (await query.orderBy('seq').execute()).map(toEntry);
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
