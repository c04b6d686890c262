import { type Selectable, type SelectQueryBuilder, sql } from 'kysely';
import type { ErrorKind } from '../../domain/errors.js';
import type { CloudCredRefId, CloudId, IsoTime, OfferId, RefId } from '../../domain/ids.js';
import type { Desired, Phase } from '../../domain/instance/index.js';
import type { Money } from '../../domain/money.js';
import type { LifecycleStatus } from '../../domain/provider.js';
import { JournalInvalid } from '../errors.js';
import type { Reader } from '../store/database.js';
import type { InstanceTable, Tables } from '../store/tables.js';
import { checkLimit, compact, fromCursor, orAbsent, type Page, toCursor } from './page.js';

/** Where one instance stands: everything a listing shows. */
export interface InstanceRow {
  refId: RefId;
  name: string;
  phase: Phase;
  lifecycleStatus: LifecycleStatus;
  desired: Desired;
  provider?: string;
  /** The offer it runs at, is tried at, or was last at. */
  cloudCredRefId?: CloudCredRefId;
  location?: string;
  subLocation?: string;
  instanceType?: string;
  offerId?: OfferId;
  /** Its machine; once it is terminated, the last it had. */
  cloudId?: CloudId;
  pricePerHour?: Money;
  failureKind?: ErrorKind;
  failureMessage?: string;
  /** How many machines of it may bill and are not proved gone, beside the one in use. */
  debts: number;
  /** When the phase began. */
  since: IsoTime;
  /** When it was requested. */
  createdAt: IsoTime;
  /** When its newest event happened. */
  updatedAt: IsoTime;
  /** When it was first ready. */
  readyAt?: IsoTime;
  terminatedAt?: IsoTime;
  /** The number of its newest event. */
  seq: number;
  /** Why its events cannot be folded by this code: the row stands still at the event before. */
  fault?: string;
}

type OneOrMore<T> = T | readonly T[];
/** From (inclusive) to (exclusive). */
export interface TimeRange {
  from?: IsoTime;
  to?: IsoTime;
}

/** All given conditions must hold. */
export interface InstanceFilter {
  refId?: OneOrMore<RefId>;
  name?: OneOrMore<string>;
  phase?: OneOrMore<Phase>;
  lifecycleStatus?: OneOrMore<LifecycleStatus>;
  desired?: OneOrMore<Desired>;
  provider?: OneOrMore<string>;
  cloudCredRefId?: OneOrMore<CloudCredRefId>;
  location?: OneOrMore<string>;
  subLocation?: OneOrMore<string>;
  instanceType?: OneOrMore<string>;
  offerId?: OneOrMore<OfferId>;
  cloudId?: OneOrMore<CloudId>;
  failureKind?: OneOrMore<ErrorKind>;
  /** Begins with it, letter case included. */
  namePrefix?: string;
  refIdPrefix?: string;
  /** Not yet terminated. */
  open?: boolean;
  /** With something that may bill and is not proved gone. */
  debt?: boolean;
  failed?: boolean;
  /** With events that this code cannot fold. */
  faulty?: boolean;
  created?: TimeRange;
  since?: TimeRange;
  updated?: TimeRange;
  ready?: TimeRange;
  terminated?: TimeRange;
}

export const INSTANCE_ORDERS = [
  'createdAt',
  'updatedAt',
  'since',
  'readyAt',
  'terminatedAt',
  'refId',
  'name',
  'phase',
  'lifecycleStatus',
  'provider',
  'cloudCredRefId',
  'location',
  'instanceType',
  'offerId',
  'cloudId',
  'failureKind',
  'debts',
  'seq',
] as const satisfies readonly (keyof InstanceTable)[];
export type InstanceOrder = (typeof INSTANCE_ORDERS)[number];

export interface InstanceQuery extends InstanceFilter {
  /** Default `createdAt`. Ties are broken by refId. What is absent sorts before all else. */
  orderBy?: InstanceOrder;
  /** Default `desc`. */
  direction?: 'asc' | 'desc';
  /** Default 100, at most 10,000. */
  limit?: number;
  /** `next` of the page before, for the same order. */
  after?: string;
}

/** A page of instances. Stable under change: a row that stays where it is is never skipped nor repeated. */
export async function findInstances(db: Reader, query: InstanceQuery = {}): Promise<Page<InstanceRow>> {
  const { orderBy = 'createdAt', direction = 'desc' } = query;
  if (!INSTANCE_ORDERS.includes(orderBy)) {
    throw new JournalInvalid(`orderBy must be one of ${INSTANCE_ORDERS.join(', ')}`);
  }
  const limit = checkLimit(query.limit ?? 100);
  const order = `${orderBy} ${direction}`;
  let select = filtered(db, query).selectAll();
  if (query.after !== undefined) {
    const [value, refId] = fromCursor(query.after, order, 2);
    const beyond = sql.raw(direction === 'asc' ? '>' : '<');
    select =
      orderBy === 'refId'
        ? select.where(sql<boolean>`${sql.ref('refId')} ${beyond} ${refId}`)
        : select.where(sql<boolean>`(${sql.ref(orderBy)}, ${sql.ref('refId')}) ${beyond} (${value}, ${refId})`);
  }
  select = select.orderBy(orderBy, direction);
  if (orderBy !== 'refId') select = select.orderBy('refId', direction);
  const found = await select.limit(limit + 1).execute();
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  const next = found.length > limit && last ? toCursor(order, [last[orderBy], last.refId]) : undefined;
  return { rows: rows.map(toInstance), ...(next !== undefined && { next }) };
}

export async function countInstances(db: Reader, filter: InstanceFilter = {}): Promise<number> {
  const row = await filtered(db, filter)
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

const EQUALS = [
  'refId',
  'name',
  'phase',
  'lifecycleStatus',
  'desired',
  'provider',
  'cloudCredRefId',
  'location',
  'subLocation',
  'instanceType',
  'offerId',
  'cloudId',
  'failureKind',
] as const satisfies readonly (keyof InstanceFilter & keyof InstanceTable)[];

const RANGES = [
  ['created', 'createdAt'],
  ['since', 'since'],
  ['updated', 'updatedAt'],
  ['ready', 'readyAt'],
  ['terminated', 'terminatedAt'],
] as const satisfies readonly [keyof InstanceFilter, keyof InstanceTable][];

type Selection = SelectQueryBuilder<Tables, 'journalInstance', object>;

/** Fixed conditions are written out and not bound, also where others imply them: only so do the partial indexes match. */
function filtered(db: Reader, filter: InstanceFilter): Selection {
  let select: Selection = db.selectFrom('journalInstance');
  for (const field of EQUALS) {
    const wanted = filter[field];
    if (wanted !== undefined) select = select.where(field, 'in', [wanted].flat() as string[]);
  }
  for (const [field, column] of RANGES) {
    const { from, to } = filter[field] ?? {};
    if (from !== undefined) select = select.where(column, '>=', from);
    if (to !== undefined) select = select.where(column, '<', to).where(sql<boolean>`${sql.ref(column)} <> ''`);
  }
  for (const [field, prefix] of [
    ['name', filter.namePrefix],
    ['refId', filter.refIdPrefix],
  ] as const) {
    if (prefix) select = select.where(field, '>=', prefix).where(field, '<', `${prefix}\u{10ffff}`);
  }
  for (const [wanted, condition] of [
    [filter.open, sql<boolean>`phase <> 'terminated'`],
    [filter.debt, sql<boolean>`debts > 0`],
    [filter.failed, sql<boolean>`failure_kind <> ''`],
    [filter.faulty, sql<boolean>`fault <> ''`],
    [filter.cloudId === undefined ? undefined : true, sql<boolean>`cloud_id <> ''`],
    [filter.failureKind === undefined ? undefined : true, sql<boolean>`failure_kind <> ''`],
  ] as const) {
    if (wanted !== undefined) select = select.where(wanted ? condition : sql<boolean>`not (${condition})`);
  }
  return select;
}

function toInstance({ priceAmount, priceCurrency, ...row }: Selectable<InstanceTable>): InstanceRow {
  return compact<InstanceRow>({
    refId: row.refId,
    name: row.name,
    phase: row.phase as Phase,
    lifecycleStatus: row.lifecycleStatus as LifecycleStatus,
    desired: row.desired as Desired,
    provider: orAbsent(row.provider),
    cloudCredRefId: orAbsent(row.cloudCredRefId),
    location: orAbsent(row.location),
    subLocation: orAbsent(row.subLocation),
    instanceType: orAbsent(row.instanceType),
    offerId: orAbsent(row.offerId),
    cloudId: orAbsent(row.cloudId),
    pricePerHour: priceAmount === '' ? undefined : { amount: priceAmount, currency: priceCurrency },
    failureKind: orAbsent<ErrorKind>(row.failureKind),
    failureMessage: orAbsent(row.failureMessage),
    debts: row.debts,
    since: row.since,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
    readyAt: orAbsent(row.readyAt),
    terminatedAt: orAbsent(row.terminatedAt),
    seq: row.seq,
    fault: orAbsent(row.fault),
  });
}
