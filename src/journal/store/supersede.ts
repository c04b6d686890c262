import { toIsoTime } from '../../domain/ids.js';
import { type JournalError, JournalInvalid } from '../errors.js';
import { sameJson } from '../json.js';
import { foldLife } from '../models/life.js';
import type { KnownLife, LifeCache } from '../models/life-cache.js';
import { plain, toRows } from '../models/rows.js';
import { chunks, deleteRowsOf, putRows } from '../models/write.js';
import { type Append, type Appended, checkAppend, conflictOf, staleRun, storeBatch, toRow } from './append.js';
import type { Writer } from './database.js';
import { headPosition, toEntry } from './entries.js';
import type { EventTable } from './tables.js';

/*
 * `temporal workflow reset` ends a run and begins another from a point of its past. What the first did after that
 * point is no longer what happened to the instance as its workflow knows it: the new run writes other events under the
 * same numbers. The journal then holds the new ones, and keeps the old ones aside, for they were told to somebody.
 */

/** What is asked of one supersede. */
export interface Supersede extends Append {
  runId: string;
  /** Why, for whoever reads it in a year. */
  reason: string;
}

export interface Superseded extends Appended {
  /** How many stored events were put aside. */
  superseded: number;
}

/** @throws {JournalInvalid} for what no journal could take, whatever it holds. */
export function checkSupersede(supersede: Supersede): void {
  checkAppend(supersede);
  const { refId, runId, reason } = supersede;
  if (!runId) throw new JournalInvalid(`${refId}: to supersede needs the run id of whoever does it`);
  if (!reason.trim()) throw new JournalInvalid(`${refId}: to supersede needs a reason`);
}

/** Puts the stored events aside from the first on that differs, and stores the new ones; without one, it is an append. */
export async function storeSupersede(
  trx: Writer,
  supersede: Supersede,
  cache: LifeCache,
): Promise<{ result: Superseded | JournalError; lives: KnownLife[] }> {
  const { refId, events } = supersede;
  const known = (await cache.load(trx, [refId])).get(refId);
  const rows = known ? await rowsOf(trx, refId) : [];
  const bySeq = new Map(rows.map((row) => [row.seq, row]));
  const differing = events.find((event) => {
    const row = bySeq.get(event.seq);
    return row !== undefined && !sameJson(toEntry(row).event, event);
  });
  if (!known || !differing) {
    const { results, lives } = await storeBatch(trx, [supersede], cache);
    const [result] = results as [Appended | JournalError];
    return { result: 'appended' in result ? { ...result, superseded: 0 } : result, lives };
  }

  const moved = rows.filter(({ seq }) => seq >= differing.seq);
  const stale = await staleRun(trx, supersede, known.head);
  if (stale) return { result: stale, lives: [] };
  // A run does not contradict itself: that is another writer, or a workflow that was changed under its history.
  const first = moved[0];
  if (first && moved.some(({ runId }) => runId === supersede.runId)) {
    return { result: conflictOf(toEntry(first), differing), lives: [] };
  }
  return await replace(trx, supersede, { kept: rows.slice(0, -moved.length), moved, known });
}

async function replace(
  trx: Writer,
  { refId, events, runId, reason }: Supersede,
  { kept, moved, known }: { kept: readonly EventTable[]; moved: readonly EventTable[]; known: KnownLife },
): Promise<{ result: Superseded; lives: KnownLife[] }> {
  const now = toIsoTime(Date.now());
  const revision = known.head.revision + 1;
  const from = moved[0]?.seq ?? 1;
  const fresh = events.filter(({ seq }) => seq >= from);
  const before = await headPosition(trx);
  const rows = fresh.map((event, index) => {
    const place = { position: before + index + 1, recordedAt: now, runId, revision };
    return toRow(refId, event, { ...place, supersedes: index === 0 ? 1 : 0 });
  });
  const life = foldLife([...kept.map((row) => toEntry(row).event), ...fresh]);
  const head = { seq: fresh.at(-1)?.seq ?? from, position: before + fresh.length, runId, revision };

  await putAside(trx, moved, { supersededAt: now, supersededBy: runId, reason: plain(reason) });
  for (const chunk of chunks(rows)) await trx.insertInto('journalEvent').values(chunk).execute();
  await deleteRowsOf(trx, refId);
  if (life) await putRows(trx, [toRows(life)]);
  return {
    result: { appended: fresh.length, seq: head.seq, position: head.position, superseded: moved.length },
    lives: life ? [{ life, head }] : [],
  };
}

/** The table lets go of an event only once it stands among the superseded ones. */
async function putAside(
  trx: Writer,
  moved: readonly EventTable[],
  why: { supersededAt: string; supersededBy: string; reason: string },
): Promise<void> {
  for (const chunk of chunks(moved)) {
    const positions = chunk.map(({ position }) => position);
    await trx
      .insertInto('journalSuperseded')
      .values(chunk.map((row) => ({ ...row, ...why })))
      .execute();
    await trx.deleteFrom('journalEvent').where('position', 'in', positions).execute();
    // Who has not heard of it yet shall not hear of it any more.
    await trx.deleteFrom('journalWebhookDelivery').where('position', 'in', positions).execute();
  }
}

async function rowsOf(trx: Writer, refId: string): Promise<EventTable[]> {
  return await trx.selectFrom('journalEvent').selectAll().where('refId', '=', refId).orderBy('seq').execute();
}
