import type { CallEntry, CallsView } from '../../src/simcloud/index.js';

/** How often each endpoint was called, whatever came of it, and how often calls were refused for their rate. */
export interface CallCount {
  total: number;
  /** `POST /instances`, without the dialect. */
  byEndpoint: Record<string, number>;
  tooMany: number;
  /** Each of those, and how long after the call before it the provider had it, in ms. */
  refused: { endpoint: string; afterMs: number }[];
  /** Listings of the whole account: what a watcher does. Looks for one refId are not among them. */
  accountListings: number;
  reads: number;
}

/** What happened since `before`. @throws {Error} when simcloud no longer has each call: it keeps 10,000. */
export function callsSince(before: CallsView, after: CallsView): CallCount {
  const total = after.total - before.total;
  if (total > after.latest.length) throw new Error(`${total} calls are more than simcloud keeps`);
  const calls = total === 0 ? [] : after.latest.slice(-total);
  const byEndpoint: Record<string, number> = {};
  for (const call of calls) byEndpoint[nameOf(call)] = (byEndpoint[nameOf(call)] ?? 0) + 1;
  return {
    total,
    byEndpoint,
    tooMany: calls.filter(({ status }) => status === 429).length,
    refused: calls.flatMap((call, index) => {
      const afterMs = call.at - (calls[index - 1]?.at ?? Number.NaN);
      return call.status === 429 ? [{ endpoint: nameOf(call), afterMs }] : [];
    }),
    accountListings: calls.filter(isAccountListing).length,
    reads: calls.filter(({ endpoint }) => endpoint.startsWith('GET ')).length,
  };
}

/** Simcloud notes what a call is about: a machine, a refId, or where neither is named the account. */
function isAccountListing({ operation, key }: CallEntry): boolean {
  return operation === 'list' && (key === undefined || key.startsWith('account:'));
}

/** One listing is a look for one refId, another is the watcher’s: they cost alike and mean different things. */
function nameOf(call: CallEntry): string {
  if (call.operation !== 'list') return call.endpoint;
  return isAccountListing(call) ? `${call.endpoint} (account)` : `${call.endpoint} (one refId)`;
}
