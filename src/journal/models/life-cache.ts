import type { Selectable } from 'kysely';
import type { RefId } from '../../domain/ids.js';
import type { InstanceEvent } from '../../domain/instance/index.js';
import type { Reader } from '../store/database.js';
import { toEntry } from '../store/entries.js';
import type { EventTable } from '../store/tables.js';
import { foldLife, type Life } from './life.js';

/** At some 5 KB each: 10 MB. */
const LIVES_KEPT = 2_000;

/** An instance's newest event in the journal. */
export interface Head {
  seq: number;
  position: number;
  runId: string;
  revision: number;
}

export interface KnownLife {
  life: Life;
  head: Head;
}

/**
 * Lives that this process folded lately, so that an append need not read the instance's past again. What is kept is
 * behind when another process appended or superseded: each gives the newest event another position, and then all is
 * read.
 */
export class LifeCache {
  private readonly kept = new Map<RefId, KnownLife>();

  /** The instances as the transaction sees them; those that the journal holds nothing of are missing. */
  async load(db: Reader, refIds: readonly RefId[]): Promise<Map<RefId, KnownLife>> {
    const heads = await headsOf(db, refIds);
    const lives = new Map<RefId, KnownLife>();
    for (const [refId, head] of heads) {
      const known = this.kept.get(refId);
      if (known?.head.position === head.position) lives.set(refId, known);
    }
    const behind = [...heads.keys()].filter((refId) => !lives.has(refId));
    for (const [refId, life] of await foldStored(db, behind)) {
      const head = heads.get(refId);
      if (head) lives.set(refId, { life, head });
    }
    return lives;
  }

  /** Only for lives whose events are committed. */
  keep(lives: readonly KnownLife[]): void {
    for (const known of lives) {
      const { refId } = known.life;
      this.kept.delete(refId);
      this.kept.set(refId, known);
    }
    for (const refId of this.kept.keys()) {
      if (this.kept.size <= LIVES_KEPT) break;
      this.kept.delete(refId);
    }
  }
}

async function headsOf(db: Reader, refIds: readonly RefId[]): Promise<Map<RefId, Head>> {
  const newest = db
    .selectFrom('journalEvent')
    .select(({ fn }) => ['refId', fn.max('seq').as('seq')])
    .where('refId', 'in', refIds)
    .groupBy('refId')
    .as('newest');
  const rows = await db
    .selectFrom(newest)
    .innerJoin('journalEvent as event', (join) =>
      join.onRef('event.refId', '=', 'newest.refId').onRef('event.seq', '=', 'newest.seq'),
    )
    .select(['event.refId', 'event.seq', 'event.position', 'event.runId', 'event.revision'])
    .execute();
  return new Map(rows.map(({ refId, ...head }) => [refId, head]));
}

async function foldStored(db: Reader, refIds: readonly RefId[]): Promise<Map<RefId, Life>> {
  if (refIds.length === 0) return new Map();
  const query = db.selectFrom('journalEvent').selectAll().where('refId', 'in', refIds);
  return foldAll(await query.orderBy('refId').orderBy('seq').execute());
}

/** Folds rows that are sorted by instance and number. */
export function foldAll(rows: readonly Selectable<EventTable>[]): Map<RefId, Life> {
  const events = new Map<RefId, InstanceEvent[]>();
  for (const row of rows) {
    const { refId, event } = toEntry(row);
    const list = events.get(refId);
    if (list) list.push(event);
    else events.set(refId, [event]);
  }
  const lives = new Map<RefId, Life>();
  for (const [refId, list] of events) {
    const life = foldLife(list);
    if (life) lives.set(refId, life);
  }
  return lives;
}
