import type { ListedInstance, ListFilter, SlipwayClient } from '../client/index.js';
import type { ErrorKind } from '../domain/errors.js';
import type { InstanceFilter, InstanceQuery, InstanceRow, Journal } from '../journal/index.js';
import { withJournal, withJournalIfThere } from './journal.js';

/** `forgotten`: Temporal no longer knows it; the journal does. */
export type Row = ListedInstance & { forgotten?: true };

/** Rows that the journal is asked for at once. */
const PAGE = 1_000;

/** RefIds that Temporal is asked about at once. */
const ASKED = 100;

/**
 * A list of all instances with those that are over and that Temporal has forgotten, newest first. As it is where no
 * journal is kept or none answers, or only open instances are asked for: those have a workflow.
 */
export async function withForgotten(client: Pick<SlipwayClient, 'list'>, filter: ListFilter): Promise<Row[]> {
  const listed = await client.list(filter);
  if (!filter.all) return listed;
  const { limit = PAGE } = filter;
  const isListed = new Set(listed.map(({ refId }) => refId));
  const others = await withJournalIfThere(async (journal) => {
    const query = { ...toJournalFilter(filter), open: false };
    return (await atMost(journal, query, limit, ({ refId }) => !isListed.has(refId))).map(toRow);
  });
  if (!others) return listed;
  const newest = [...listed, ...others].sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1)).slice(0, limit);
  // What the limit cut off from Temporal's list is not forgotten for that.
  const known = await stillKnown(
    client,
    newest.filter(({ refId }) => !isListed.has(refId)),
  );
  return newest.map((row) => (isListed.has(row.refId) ? row : (known.get(row.refId) ?? { ...row, forgotten: true })));
}

async function stillKnown(client: Pick<SlipwayClient, 'list'>, rows: readonly Row[]): Promise<Map<string, Row>> {
  const known = new Map<string, Row>();
  for (let from = 0; from < rows.length; from += ASKED) {
    const refIds = rows.slice(from, from + ASKED).map(({ refId }) => refId);
    for (const row of await client.list({ all: true, refId: refIds })) known.set(row.refId, row);
  }
  return known;
}

/** What only the journal can be asked for. */
export type JournalOnly = Pick<InstanceQuery, 'orderBy' | 'direction' | 'namePrefix' | 'created'>;

/** A list from the journal alone, in any order that it has. */
export async function rowsOfJournal(filter: ListFilter, asked: JournalOnly): Promise<Row[]> {
  const query = { ...toJournalFilter(filter), ...asked, ...(!filter.all && { open: true }) };
  return (await withJournal((journal) => atMost(journal, query, filter.limit ?? PAGE))).map(toRow);
}

/** The first rows that count, page by page. */
async function atMost(
  journal: Journal,
  query: InstanceQuery,
  limit: number,
  counts: (row: InstanceRow) => boolean = () => true,
): Promise<InstanceRow[]> {
  const rows: InstanceRow[] = [];
  for (let after: string | undefined; rows.length < limit; ) {
    const page = await journal.instances({ ...query, limit: PAGE, ...(after !== undefined && { after }) });
    rows.push(...page.rows.filter(counts));
    after = page.next;
    if (after === undefined) break;
  }
  return rows.slice(0, limit);
}

function toJournalFilter(filter: ListFilter): InstanceFilter {
  const { phase, provider, cloudCredRefId, location, instanceType, errorKind, cleanupDebt } = filter;
  return {
    ...(phase !== undefined && { phase }),
    ...(provider !== undefined && { provider }),
    ...(cloudCredRefId !== undefined && { cloudCredRefId }),
    ...(location !== undefined && { location }),
    ...(instanceType !== undefined && { instanceType }),
    ...(errorKind !== undefined && { failureKind: errorKind as ErrorKind }),
    ...(cleanupDebt && { debt: true }),
  };
}

function toRow(row: InstanceRow): Row {
  const { refId, phase, provider, cloudCredRefId, location, instanceType, failureKind, debts, terminatedAt } = row;
  return {
    refId,
    phase,
    ...(provider !== undefined && { provider }),
    ...(cloudCredRefId !== undefined && { cloudCredRefId }),
    ...(location !== undefined && { location }),
    ...(instanceType !== undefined && { instanceType }),
    ...(failureKind !== undefined && { errorKind: failureKind }),
    cleanupDebt: debts > 0,
    open: terminatedAt === undefined,
    startedAt: row.createdAt,
    ...(terminatedAt !== undefined && { closedAt: terminatedAt }),
  };
}
