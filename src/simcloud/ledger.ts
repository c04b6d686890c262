import type { FaultKind, Operation } from './fault-kinds.js';
import type { MachineStatus, Price } from './types.js';

/*
 * What really happened, whatever the API said. The ledger is written by the core alone and never forgets a machine.
 *
 * A machine is LIVE from the moment it is created until a termination of it has been accepted in earnest, or it is
 * terminated, or it vanished. So:
 * - one whose termination was a lie (`terminate-lies`) is live;
 * - one that failed, or is stopped, is live: it still bills;
 * - one that is `terminating` in earnest is not live, though it bills until it is `terminated`.
 */

/** A stopped machine pays for its disk only: this part of its price. */
const STOPPED_SHARE = 0.1;
const HOUR_MS = 3_600_000;

/** All times are ms since 1970, by the simulated clock. */
export interface BillingInterval {
  from: number;
  /** Open while it bills. */
  until?: number;
  mark: 'full' | 'stopped';
  pricePerHour: Price;
}

export interface LedgerEntry {
  id: string;
  name: string;
  account: string;
  /** The request that created it. */
  requestId: string;
  /** What befell that request's answer: `late-work` means that it came to be long after. */
  fault?: FaultKind;
  /** As they were at creation. */
  tags: Record<string, string>;
  location: string;
  instanceType: string;
  createdAt: number;
  /** When it ceased to be live. */
  liveUntil?: number;
  /** Each status and when it began, oldest first. */
  history: { status: MachineStatus | 'vanished'; at: number }[];
  billing: BillingInterval[];
}

export interface LedgerLine extends LedgerEntry {
  isLive: boolean;
  /** Until now. */
  cost: Price;
}

export interface CallEntry {
  requestId: string;
  dialect: string;
  operation: Operation;
  /** As the dialect names it, ids left out: `POST /instances`. */
  endpoint: string;
  account?: string;
  key?: string;
  at: number;
  /** Undefined until answered; 0: the socket was destroyed. */
  status?: number;
  /** The fault that spoiled it. */
  fault?: string;
}

export interface CallsView {
  total: number;
  byOperation: Record<string, number>;
  /** By dialect and endpoint, then by status. */
  byEndpoint: Record<string, Record<string, number>>;
  /** The latest, oldest first; at most 10,000. */
  latest: CallEntry[];
}

export interface Report {
  /** Machines ever created. */
  created: number;
  /** Live now. */
  running: number;
  /** Machines that came to live while another with the same refId lived: each beyond the first, ever. */
  doubled: number;
  doubledIds: string[];
  /** Live now, and owned by nobody who asked. */
  leaked: number;
  leakedIds: string[];
  /** The most that ever lived at once with one refId; 0 when nobody set one. */
  maxLivePerRefId: number;
  calls: { total: number; byOperation: Record<string, number> };
}

export interface LedgerSnapshot {
  entries: LedgerEntry[];
  calls: Omit<CallsView, 'latest'>;
}

const LATEST_CALLS = 10_000;

export class Ledger {
  readonly #entries = new Map<string, LedgerEntry>();
  #calls: Omit<CallsView, 'latest'> = { total: 0, byOperation: {}, byEndpoint: {} };
  #latest: CallEntry[] = [];
  readonly #open = new Map<string, CallEntry>();

  constructor(
    private readonly now: () => number,
    /** The tag that says whose machine it is. */
    readonly refIdTag: string,
  ) {}

  machineCreated(entry: Omit<LedgerEntry, 'history' | 'billing' | 'createdAt'>, pricePerHour: Price): void {
    const at = this.now();
    this.#entries.set(entry.id, {
      ...structuredClone(entry),
      createdAt: at,
      history: [{ status: 'pending', at }],
      billing: [{ from: at, mark: 'full', pricePerHour }],
    });
  }

  statusBegan(id: string, status: MachineStatus | 'vanished', pricePerHour: Price): void {
    const entry = this.#get(id);
    const at = this.now();
    entry.history.push({ status, at });
    const isOver = status === 'terminated' || status === 'vanished';
    if (isOver || status === 'terminating') entry.liveUntil ??= at;
    this.#bill(entry, at, isOver ? undefined : status === 'stopped' ? 'stopped' : 'full', pricePerHour);
  }

  /** Another type has another price. */
  priceChanged(id: string, mark: BillingInterval['mark'], pricePerHour: Price): void {
    const entry = this.#get(id);
    const last = entry.billing.at(-1);
    if (last) last.until ??= this.now();
    entry.billing.push({ from: this.now(), mark, pricePerHour });
  }

  /** A tag that came after the creation still says whose machine it is. */
  tagged(id: string, tags: Record<string, string>): void {
    const entry = this.#get(id);
    const refId = tags[this.refIdTag];
    if (refId !== undefined && entry.tags[this.refIdTag] === undefined) entry.tags[this.refIdTag] = refId;
  }

  callOpened(call: CallEntry): CallEntry {
    this.#calls.total += 1;
    this.#calls.byOperation[call.operation] = (this.#calls.byOperation[call.operation] ?? 0) + 1;
    this.#latest.push(call);
    if (this.#latest.length > LATEST_CALLS * 1.1) this.#latest = this.#latest.slice(-LATEST_CALLS);
    this.#open.set(call.requestId, call);
    return call;
  }

  /** The first status told is the one kept. */
  callAnswered(requestId: string, status: number): void {
    const call = this.#open.get(requestId);
    if (!call) return;
    this.#open.delete(requestId);
    call.status = status;
    const endpoint = `${call.dialect} ${call.endpoint}`;
    const byStatus = this.#calls.byEndpoint[endpoint] ?? {};
    this.#calls.byEndpoint[endpoint] = byStatus;
    byStatus[status] = (byStatus[status] ?? 0) + 1;
  }

  lines(): LedgerLine[] {
    return [...this.#entries.values()].map((entry) => ({
      ...structuredClone(entry),
      isLive: isLive(entry),
      cost: costOf(entry.billing, this.now()),
    }));
  }

  calls(): CallsView {
    return structuredClone({ ...this.#calls, latest: this.#latest.slice(-LATEST_CALLS) });
  }

  report({ ownedCloudIds = [] }: { ownedCloudIds?: string[] } = {}): Report {
    const entries = [...this.#entries.values()];
    const live = entries.filter(isLive);
    const owned = new Set(ownedCloudIds);
    const leakedIds = live.filter((entry) => !owned.has(entry.id)).map((entry) => entry.id);
    const families = this.#families(entries);
    const doubledIds = families
      .flatMap((family) => family.filter((entry) => liveWith(family, entry) > 1))
      .map(({ id }) => id);
    return {
      created: entries.length,
      running: live.length,
      doubled: doubledIds.length,
      doubledIds,
      leaked: leakedIds.length,
      leakedIds,
      maxLivePerRefId: Math.max(0, ...families.flatMap((family) => family.map((entry) => liveWith(family, entry)))),
      calls: { total: this.#calls.total, byOperation: { ...this.#calls.byOperation } },
    };
  }

  snapshot(): LedgerSnapshot {
    return { entries: [...this.#entries.values()], calls: this.#calls };
  }

  restore(snapshot: LedgerSnapshot): void {
    for (const entry of snapshot.entries) this.#entries.set(entry.id, entry);
    this.#calls = snapshot.calls;
  }

  #get(id: string): LedgerEntry {
    const entry = this.#entries.get(id);
    if (!entry) throw new Error(`the ledger has no machine ${id}`);
    return entry;
  }

  #bill(entry: LedgerEntry, at: number, mark: BillingInterval['mark'] | undefined, pricePerHour: Price): void {
    const last = entry.billing.at(-1);
    if (last && last.until === undefined && last.mark === mark) return;
    if (last) last.until ??= at;
    if (mark) entry.billing.push({ from: at, mark, pricePerHour });
  }

  /** Machines with one refId in one account, in order of creation. */
  #families(entries: LedgerEntry[]): LedgerEntry[][] {
    const families = new Map<string, LedgerEntry[]>();
    for (const entry of entries) {
      const refId = entry.tags[this.refIdTag];
      if (refId === undefined) continue;
      const name = JSON.stringify([entry.account, refId]);
      families.set(name, [...(families.get(name) ?? []), entry]);
    }
    return [...families.values()];
  }
}

function isLive(entry: LedgerEntry): boolean {
  return entry.liveUntil === undefined;
}

/** How many of the family lived when this one came, itself included; of two in one millisecond the later counts both. */
function liveWith(family: LedgerEntry[], entry: LedgerEntry): number {
  const earlier = family.slice(0, family.indexOf(entry));
  return 1 + earlier.filter((other) => (other.liveUntil ?? Number.POSITIVE_INFINITY) > entry.createdAt).length;
}

function costOf(billing: BillingInterval[], now: number): Price {
  const sum = billing.reduce((total, { from, until = now, mark, pricePerHour }) => {
    const perHour = Number(pricePerHour.amount) * (mark === 'stopped' ? STOPPED_SHARE : 1);
    return total + (perHour * (until - from)) / HOUR_MS;
  }, 0);
  return { amount: sum.toFixed(6), currency: billing[0]?.pricePerHour.currency ?? 'USD' };
}
