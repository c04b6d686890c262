import { type IsoTime, type RefId, toEpochMs, toIsoTime } from '../../domain/ids.js';
import { costOver, fromMicros, type Money, toMicros } from '../../domain/money.js';
import type { Reader } from '../store/database.js';

/** By what usage is summed up. */
export type UsageKey = 'refId' | 'offerId' | 'cloudCredRefId' | 'provider';

export interface UsageQuery {
  /** Default `refId`. */
  by?: UsageKey;
  refId?: RefId;
  /** Only what falls into this time; by default all of it. */
  from?: IsoTime;
  to?: IsoTime;
  /** Machines that are alive are counted up to this moment, or to `to` if that is earlier. Default: now. */
  now?: IsoTime;
}

/** What machines ran, and what that costs at the prices they were created at. An estimate of the bill, not the bill. */
export interface Usage {
  /** The refId, offer, credential or provider; '' for machines whose provider is not known (strays). */
  key: string;
  machines: number;
  /** From creation to proof of absence, stops included: what of a stopped machine is billed, vendors differ on. */
  machineMs: number;
  /** The same in hours, rounded to a millionth. */
  machineHours: number;
  /** One per currency, each machine's rounded to a millionth of its unit, then added up exactly. */
  cost: Money[];
  /** How much of `machineMs` has no known price, and is therefore in no cost. */
  unpricedMs: number;
}

interface Sum {
  machines: number;
  ms: number;
  unpricedMs: number;
  micros: Map<string, number>;
}

/** Machine-hours and cost, in the order of their keys. */
export async function findUsage(db: Reader, query: UsageQuery = {}): Promise<Usage[]> {
  const { by = 'refId', refId, from } = query;
  const now = query.now ?? toIsoTime(Date.now());
  const to = query.to !== undefined && query.to < now ? query.to : now;
  let select = db
    .selectFrom('journalMachine')
    .select(['refId', 'offerId', 'cloudCredRefId', 'provider', 'createdAt', 'goneAt', 'priceAmount', 'priceCurrency']);
  // Without it all rows are wanted, which no index makes quicker.
  if (query.to !== undefined) select = select.where('createdAt', '<', to);
  if (refId !== undefined) select = select.where('refId', '=', refId);
  if (from !== undefined) select = select.where(({ eb, or }) => or([eb('goneAt', '=', ''), eb('goneAt', '>', from)]));

  const sums = new Map<string, Sum>();
  for (const machine of await select.execute()) {
    const begin = from !== undefined && from > machine.createdAt ? from : machine.createdAt;
    const end = machine.goneAt !== '' && machine.goneAt < to ? machine.goneAt : to;
    add(sums, machine[by], Math.max(0, toEpochMs(end) - toEpochMs(begin)), machine);
  }
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, sum]) => toUsage(key, sum));
}

function add(
  sums: Map<string, Sum>,
  key: string,
  ms: number,
  price: { priceAmount: string; priceCurrency: string },
): void {
  const sum = sums.get(key) ?? { machines: 0, ms: 0, unpricedMs: 0, micros: new Map<string, number>() };
  sums.set(key, sum);
  sum.machines += 1;
  sum.ms += ms;
  const { priceAmount: amount, priceCurrency: currency } = price;
  if (amount === '') sum.unpricedMs += ms;
  else sum.micros.set(currency, (sum.micros.get(currency) ?? 0) + toMicros(costOver({ amount, currency }, ms)));
}

const HOUR_MS = 3_600_000;

function toUsage(key: string, { machines, ms, unpricedMs, micros }: Sum): Usage {
  const cost = [...micros].sort(([a], [b]) => (a < b ? -1 : 1)).map(([currency, sum]) => fromMicros(sum, currency));
  return { key, machines, machineMs: ms, machineHours: Math.round((ms / HOUR_MS) * 1e6) / 1e6, cost, unpricedMs };
}
