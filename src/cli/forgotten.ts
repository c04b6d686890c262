import type { ListedInstance, ListFilter } from '../client/index.js';
import type { ErrorKind } from '../domain/errors.js';
import type { InstanceFilter, InstanceRow } from '../journal/index.js';
import { withJournalIfAny } from './journal.js';

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
    const rows: Row[] = [];
    for (let after: string | undefined; rows.length < limit; ) {
      const query = { ...toJournalFilter(filter), open: false, orderBy: 'createdAt', direction: 'desc' } as const;
      const page = await journal.instances({ ...query, limit: PAGE, ...(after !== undefined && { after }) });
      rows.push(...page.rows.filter(({ refId }) => !known.has(refId)).map(toRow));
      after = page.next;
      if (after === undefined) break;
    }
    return rows;
  });
  if (!forgotten) return [...listed];
  const all: Row[] = [...listed, ...forgotten];
  return all.sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1)).slice(0, limit);
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
    open: false,
    startedAt: row.createdAt,
    ...(terminatedAt !== undefined && { closedAt: terminatedAt }),
    forgotten: true,
  };
}
