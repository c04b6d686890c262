import { invalid } from './errors.js';
import type { StruckFaults } from './faults.js';
import type { MachineRecord } from './types.js';

/** Pages of anything that keeps its order, and the ways in which a listing of machines loses its pages. */
export interface Page<T> {
  items: T[];
  nextPageToken?: string;
}

interface PageToken {
  /** Where the last page ended: a machine's seq, or an index. */
  after: number;
  /** The number of the page it leads to, from 1. */
  page: number;
}

/** Which page a token leads to, from 1: what a dialect tells the gate. For a token not of ours, 1. */
export function pageNumber(pageToken: string | undefined): number {
  return (parseToken(pageToken) ?? FIRST).page;
}

/** @throws {CloudError} `request.invalid` for a token not of ours. */
export function cutPage<T>(items: T[], pageToken: string | undefined, pageSize: number): Page<T> {
  const { after, page } = readToken(pageToken);
  const end = after + pageSize;
  const nextPageToken = end < items.length ? writeToken({ after: end, page: page + 1 }) : undefined;
  return { items: items.slice(after, end), nextPageToken };
}

/**
 * A machine that comes or goes between two pages shifts nothing: pages are cut by seq.
 * @param records In order of seq.
 * @throws {CloudError} `request.invalid` for a token not of ours.
 */
export function cutMachinePage(
  records: MachineRecord[],
  pageToken: string | undefined,
  pageSize: number,
  fault?: StruckFaults['list'],
): Page<MachineRecord> {
  const { after, page } = readToken(pageToken);
  const rest = records.filter((record) => record.seq > after);
  const items = rest.slice(0, pageSize);
  const next = (seq: number): string => writeToken({ after: seq, page: page + 1 });

  if (fault?.kind === 'list-repeats-page') return { items, nextPageToken: next(after) };
  if (fault?.kind === 'list-loses-page') {
    if (rest.length <= pageSize) return { items: [] };
    const lastLost = rest.slice(pageSize, 2 * pageSize).at(-1);
    return { items, nextPageToken: lastLost && rest.length > 2 * pageSize ? next(lastLost.seq) : undefined };
  }
  const last = items.at(-1);
  return { items, nextPageToken: last && rest.length > pageSize ? next(last.seq) : undefined };
}

const FIRST: PageToken = { after: 0, page: 1 };

function readToken(text: string | undefined): PageToken {
  return parseToken(text) ?? invalid('pageToken', 'not a token of ours');
}

function parseToken(text: string | undefined): PageToken | undefined {
  if (text === undefined || text === '') return FIRST;
  try {
    const { after, page } = JSON.parse(Buffer.from(text, 'base64url').toString()) as Partial<PageToken>;
    return typeof after === 'number' && typeof page === 'number' ? { after, page } : undefined;
  } catch {
    return undefined;
  }
}

function writeToken(token: PageToken): string {
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}
