import { createHash, randomUUID } from 'node:crypto';
import { invalid } from './errors.js';
import {
  type AnswerFaultKind,
  type BehaviourKind,
  FAULT_KIND_NAMES,
  FAULT_KINDS,
  type FaultKind,
  type FaultSpec,
  type ListFaultKind,
  type Operation,
  type TerminateFaultKind,
} from './fault-kinds.js';
import type { Behaviour } from './types.js';

/*
 * What can go wrong, when asked for. Two sources, tried in this order for every call that got past authentication:
 *
 * - explicit faults: "the next create of refId x loses its answer";
 * - a seeded schedule: every call draws its fate from (seed, operation, key, how often that key met that operation,
 *   kind). Arrival order is not among them, so twenty instances created at once meet the same fate in every run.
 *   Calls that belong to no machine (a listing, the catalog) have the account for a key, or the refId they filter by.
 *
 * A call meets at most one fault of each group: one that spoils its answer, one that spoils a listing, one that spoils
 * a termination; and a new machine gets any number of behaviours.
 */

/** Whom a fault is for: every named thing must be equal. For a listing, `tag` is what it filters by. */
export interface FaultMatch {
  tag?: Record<string, string>;
  instanceType?: string;
  location?: string;
  name?: string;
  account?: string;
}

export interface NewFault {
  id?: string;
  operation: Operation | '*';
  kind: FaultKind;
  match?: FaultMatch;
  /** How often it strikes before it is spent; default 1. */
  times?: number | 'always';
  delayMs?: number;
  retryAfterSeconds?: number;
}

export type Fault = NewFault & { id: string; times: number | 'always' };

export interface FaultSchedule {
  seed: string | number;
  /** Per kind, the probability that a call it can strike meets it. */
  rates: Partial<Record<FaultKind, number>>;
  /** Only these; default all. */
  operations?: Operation[];
  delayMs?: Partial<Record<FaultKind, number>>;
  retryAfterSeconds?: number;
}

/** What a call is about, as far as faults care. */
export interface CallSubject {
  account: string;
  key: string;
  tags: Record<string, string>;
  instanceType?: string;
  location?: string;
  name?: string;
  /** Of a listing, from 1. */
  page?: number;
}

export interface Struck<Kind extends FaultKind> {
  kind: Kind;
  delayMs: number;
  retryAfterSeconds?: number;
}

export interface StruckFaults {
  answer?: Struck<AnswerFaultKind>;
  list?: Struck<ListFaultKind>;
  terminate?: Struck<TerminateFaultKind>;
  behaviours: Behaviour[];
}

export interface FaultsSnapshot {
  explicit: Fault[];
  schedule: FaultSchedule | null;
  seen: Record<string, number>;
}

export class Faults {
  #explicit: Fault[] = [];
  #schedule: FaultSchedule | null = null;
  #seen = new Map<string, number>();

  /** @throws {CloudError} `request.invalid` when the kind cannot strike there. */
  add(fault: NewFault): Fault {
    const { operations }: FaultSpec = FAULT_KINDS[fault.kind];
    if (operations && fault.operation !== '*' && !operations.includes(fault.operation)) {
      invalid('operation', `${fault.kind} strikes ${operations.join(', ')}; not ${fault.operation}`);
    }
    const added = { ...fault, id: fault.id ?? `fault-${randomUUID().slice(0, 8)}`, times: fault.times ?? 1 };
    this.#explicit.push(added);
    return added;
  }

  /** Those not yet spent. */
  list(): Fault[] {
    return this.#explicit.map((fault) => ({ ...fault }));
  }

  remove(id?: string): void {
    this.#explicit = id === undefined ? [] : this.#explicit.filter((fault) => fault.id !== id);
  }

  /** Counting begins anew, so that the same schedule set twice brings the same faults twice. */
  setSchedule(schedule: FaultSchedule | null): void {
    this.#schedule = schedule;
    this.#seen.clear();
  }

  /** Decides what strikes this call, and spends it. */
  strike(operation: Operation, subject: CallSubject): StruckFaults {
    const seenKey = `${operation} ${subject.key}`;
    const nth = this.#seen.get(seenKey) ?? 0;
    this.#seen.set(seenKey, nth + 1);

    const struck: StruckFaults = { behaviours: [] };
    for (const fault of [...this.#explicit]) {
      const applies = fault.operation === '*' || fault.operation === operation;
      if (!applies || !canStrike(fault.kind, operation, subject) || !matches(fault.match, subject)) continue;
      if (addTo(struck, fault)) this.#spend(fault);
    }
    for (const kind of this.#drawn(operation, subject, nth)) {
      const { delayMs, retryAfterSeconds } = this.#schedule ?? {};
      addTo(struck, { kind, delayMs: delayMs?.[kind], retryAfterSeconds });
    }
    return struck;
  }

  snapshot(): FaultsSnapshot {
    return { explicit: this.list(), schedule: this.#schedule, seen: Object.fromEntries(this.#seen) };
  }

  restore(snapshot: FaultsSnapshot): void {
    this.#explicit = snapshot.explicit;
    this.#schedule = snapshot.schedule;
    this.#seen = new Map(Object.entries(snapshot.seen));
  }

  #spend(fault: Fault): void {
    if (fault.times === 'always') return;
    fault.times -= 1;
    if (fault.times <= 0) this.#explicit = this.#explicit.filter((other) => other !== fault);
  }

  #drawn(operation: Operation, subject: CallSubject, nth: number): FaultKind[] {
    const schedule = this.#schedule;
    if (!schedule || (schedule.operations && !schedule.operations.includes(operation))) return [];
    return FAULT_KIND_NAMES.filter(
      (kind) =>
        canStrike(kind, operation, subject) &&
        draw([schedule.seed, operation, subject.key, nth, kind]) < (schedule.rates[kind] ?? 0),
    );
  }
}

/** The same parts give the same number in [0, 1), in every process. */
function draw(parts: (string | number)[]): number {
  return createHash('sha256').update(JSON.stringify(parts)).digest().readUIntBE(0, 6) / 2 ** 48;
}

function canStrike(kind: FaultKind, operation: Operation, { page = 1 }: CallSubject): boolean {
  const { operations, group }: FaultSpec = FAULT_KINDS[kind];
  if (operations && !operations.includes(operation)) return false;
  if (operation !== 'list' || group !== 'list') return true;
  return kind === 'list-lags' || page === (kind === 'list-fails-on-page-2' ? 2 : 1);
}

function matches(match: FaultMatch | undefined, subject: CallSubject): boolean {
  if (!match) return true;
  const { tag = {}, ...rest } = match;
  return (
    Object.entries(tag).every(([key, value]) => subject.tags[key] === value) &&
    Object.entries(rest).every(([key, value]) => value === undefined || subject[key as keyof typeof rest] === value)
  );
}

/** @returns false when the call already has one of that group. */
function addTo(struck: StruckFaults, fault: Pick<NewFault, 'kind' | 'delayMs' | 'retryAfterSeconds'>): boolean {
  const { kind, retryAfterSeconds } = fault;
  const spec: FaultSpec = FAULT_KINDS[kind];
  const delayMs = fault.delayMs ?? spec.delayMs ?? 0;
  if (spec.group === 'behaviour') {
    if (struck.behaviours.some((other) => other.kind === kind)) return false;
    struck.behaviours.push({ kind: kind as BehaviourKind, delayMs });
    return true;
  }
  if (struck[spec.group]) return false;
  Object.assign(struck, { [spec.group]: { kind, delayMs, retryAfterSeconds } });
  return true;
}
