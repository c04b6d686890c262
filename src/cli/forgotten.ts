import type { ListedInstance, ListFilter } from '../client/index.js';
import type { ErrorKind } from '../domain/errors.js';
import type { InstanceFilter, InstanceQuery, InstanceRow, Journal } from '../journal/index.js';
import { withJournal, withJournalIfAny } from './journal.js';

/** `forgotten`: Temporal no longer knows it; the journal does. */
export type Row = ListedInstance & { forgotten?: true };

/** Rows that the journal is asked for at once. */
const PAGE = 1_000;

/**
 * A list of all instances with those that are over and that Temporal has forgotten, newest first. As it is where no
 * journal is kept, or only open instances are asked for: those have a workflow.
 */
export async function withForgotten(listed: readonly ListedInstance[], filter: ListFilter): Promise<Row[]> {
  if (!filter.all) return [...listed];
  const { limit = PAGE } = filter;
  const known = new Set(listed.map(({ refId }) => refId));
  const forgotten = await withJournalIfAny(async (journal) => {
    const query = { ...toJournalFilter(filter), open: false };
    const rows = await atMost(journal, query, limit, ({ refId }) => !known.has(refId));
    return rows.map((row): Row => ({ ...toRow(row), forgotten: true }));
  });
  if (!forgotten) return [...listed];
  const all: Row[] = [...listed, ...forgotten];
  return all.sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1)).slice(0, limit);
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
