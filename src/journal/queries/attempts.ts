import { type Selectable, sql } from 'kysely';
import type { ErrorKind } from '../../domain/errors.js';
import type { CloudCredRefId, IsoTime, OfferId, RefId } from '../../domain/ids.js';
import type { AttemptFact, AttemptOutcome } from '../models/attempts.js';
import type { Reader } from '../store/database.js';
import type { AttemptTable } from '../store/tables.js';
import { checkLimit, compact, fromCursor, orAbsent, type Page, toCursor } from './page.js';

/** One attempt to create, of any instance. */
export interface AttemptRow extends AttemptFact {
  refId: RefId;
  offerId: OfferId;
}

export interface AttemptQuery {
  refId?: RefId;
  offerId?: OfferId;
  cloudCredRefId?: CloudCredRefId;
  outcome?: AttemptOutcome;
  kind?: ErrorKind;
  /** Begun at or after. */
  from?: IsoTime;
  /** Begun before. */
  to?: IsoTime;
  /** Default 100, at most 10,000. */
  limit?: number;
  /** `next` of the page before. */
  after?: string;
}

const ORDER = 'at desc';

/** Attempts, newest first. */
export async function findAttempts(db: Reader, query: AttemptQuery = {}): Promise<Page<AttemptRow>> {
  const limit = checkLimit(query.limit ?? 100);
  let select = db.selectFrom('journalAttempt').selectAll();
  for (const field of ['refId', 'offerId', 'cloudCredRefId', 'outcome', 'kind'] as const) {
    const wanted = query[field];
    if (wanted !== undefined) select = select.where(field, '=', wanted);
  }
  if (query.from !== undefined) select = select.where('at', '>=', query.from);
  if (query.to !== undefined) select = select.where('at', '<', query.to);
  if (query.after !== undefined) {
    const [at, refId, attempt] = fromCursor(query.after, ORDER, 3);
    select = select.where(sql<boolean>`(at, ref_id, attempt) < (${at}, ${refId}, ${attempt})`);
  }
  const found = await select
    .orderBy('at', 'desc')
    .orderBy('refId', 'desc')
    .orderBy('attempt', 'desc')
    .limit(limit + 1)
    .execute();
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  const next = found.length > limit && last ? toCursor(ORDER, [last.at, last.refId, last.attempt]) : undefined;
  return { rows: rows.map(toAttempt), ...(next !== undefined && { next }) };
}

function toAttempt(row: Selectable<AttemptTable>): AttemptRow {
  const { cloudCredRefId, location, subLocation, instanceType } = row;
  return compact<AttemptRow>({
    refId: row.refId,
    attempt: row.attempt,
    offerId: row.offerId,
    offer: { cloudCredRefId, location, ...(subLocation && { subLocation }), instanceType },
    outcome: row.outcome as AttemptOutcome,
    kind: orAbsent<ErrorKind>(row.kind),
    evidence: row.evidence,
    cloudId: orAbsent(row.cloudId),
    remembered: row.remembered === 1,
    at: row.at,
    endedAt: orAbsent(row.endedAt),
    tookMs: row.tookMs ?? undefined,
  });
}

/** What refused an offer. */
export interface OfferRefusals {
  offerId: OfferId;
  count: number;
  last: { kind: ErrorKind; at: IsoTime; refId: RefId; evidence: string };
}

/** Offers that a provider refused, by offer; refusals from memory do not count. @param query.since counts refusals from then on. */
export async function findRefusals(
  db: Reader,
  query: { offerId?: OfferId; since?: IsoTime } = {},
): Promise<OfferRefusals[]> {
  const { offerId, since = '' } = query;
  const one = offerId === undefined ? sql`` : sql`and offer_id = ${offerId}`;
  const { rows } = await sql<{
    offerId: string;
    count: number;
    kind: ErrorKind;
    endedAt: string;
    refId: string;
    evidence: string;
  }>`
    select offer_id, count, kind, ended_at, ref_id, evidence from (
      select offer_id, kind, ended_at, ref_id, evidence,
        count(*) over (partition by offer_id) as count,
        row_number() over (partition by offer_id order by ended_at desc, ref_id desc, attempt desc) as newest
      from journal_attempt where outcome = 'refused' and remembered = 0 and ended_at >= ${since} ${one}) as refused
    where newest = 1 order by offer_id`.execute(db);
  return rows.map(({ count, kind, endedAt, refId, evidence, ...row }) => ({
    offerId: row.offerId,
    count: Number(count),
    last: { kind, at: endedAt, refId, evidence },
  }));
}
