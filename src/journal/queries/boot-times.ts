import { sql } from 'kysely';
import type { IsoTime, OfferId } from '../../domain/ids.js';
import type { Reader } from '../store/database.js';

/** Nearest-rank percentiles, in ms: each is a time that was measured. */
export interface Percentiles {
  count: number;
  p50: number;
  p99: number;
}

/** How long machines of one offer took. */
export interface BootTimes {
  offerId: OfferId;
  /** From InstanceCreated to the first InstanceRunning. */
  running?: Percentiles;
  /** From InstanceCreated to the first InstanceReady. */
  ready?: Percentiles;
}

/**
 * Boot times by offer, at least one machine each. Adopted machines do not count: they had begun before we saw them;
 * machines that never got there do not either.
 * @param query.since of machines created from then on.
 */
export async function findBootTimes(
  db: Reader,
  query: { offerId?: OfferId; since?: IsoTime } = {},
): Promise<BootTimes[]> {
  const running = await percentiles(db, 'running_ms', query);
  const ready = await percentiles(db, 'ready_ms', query);
  return [...new Set([...running.keys(), ...ready.keys()])].sort().map((offerId) => ({
    offerId,
    ...(running.has(offerId) && { running: running.get(offerId) }),
    ...(ready.has(offerId) && { ready: ready.get(offerId) }),
  }));
}

async function percentiles(
  db: Reader,
  column: 'running_ms' | 'ready_ms',
  { offerId, since = '' }: { offerId?: OfferId; since?: IsoTime },
): Promise<Map<OfferId, Percentiles>> {
  const ms = sql.raw(column);
  const one = offerId === undefined ? sql`` : sql`and offer_id = ${offerId}`;
  const { rows } = await sql<Percentiles & { offerId: OfferId }>`
    select offer_id, total as count,
      min(case when place * 100 >= total * 50 then ms end) as p50,
      min(case when place * 100 >= total * 99 then ms end) as p99
    from (
      select offer_id, ${ms} as ms, count(*) over (partition by offer_id) as total,
        row_number() over (partition by offer_id order by ${ms}) as place
      from journal_machine where ${ms} is not null and adopted = 0 and created_at >= ${since} ${one}) as ranked
    group by offer_id, total`.execute(db);
  return new Map(
    rows.map(({ offerId, count, p50, p99 }) => [offerId, { count: Number(count), p50: Number(p50), p99: Number(p99) }]),
  );
}
