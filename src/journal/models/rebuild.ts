import type { Selectable } from 'kysely';
import type { RefId } from '../../domain/ids.js';
import { jsonDifferences } from '../json.js';
import type { Database, Reader } from '../store/database.js';
import type { EventTable } from '../store/tables.js';
import { foldAll } from './life-cache.js';
import { toRows } from './rows.js';
import { deleteRows, putRows, storedRows } from './write.js';

/** Instances per step, and so per transaction: appends wait for one step, not for the whole. */
const STEP = 200;

export interface Rebuilt {
  instances: number;
  events: number;
}

/**
 * Writes every read model anew from the events, and drops what no event explains. It may run while others append,
 * follow and read: it goes through the instances in steps of their own transaction, and what a step writes is what
 * an append would have.
 */
export async function rebuild(database: Database): Promise<Rebuilt> {
  const total: Rebuilt = { instances: 0, events: 0 };
  let after: RefId = '';
  for (;;) {
    const step = await database.writeInTurn(async (trx) => {
      const through = await lastOfStep(trx, after);
      await deleteRows(trx, after, through);
      if (through === undefined) return { instances: 0, events: 0 };
      const events = await eventsBetween(trx, after, through);
      const lives = [...foldAll(events).values()];
      await putRows(trx, lives.map(toRows));
      return { through, instances: lives.length, events: events.length };
    });
    total.instances += step.instances;
    total.events += step.events;
    if (step.through === undefined) return total;
    after = step.through;
  }
}

/** One place where a read model is not what the events say. */
export interface Difference {
  refId: RefId;
  model: 'instance' | 'attempts' | 'machines' | 'events';
  /** Which fields, as paths; or what is wrong, in words. */
  what: string[];
}

export interface Verified {
  instances: number;
  events: number;
  differences: Difference[];
}

/** Folds every instance's events anew and compares the read models with the result; changes nothing. */
export async function verify(database: Database): Promise<Verified> {
  const total: Verified = { instances: 0, events: 0, differences: [] };
  let after: RefId = '';
  for (;;) {
    const { through, ...step } = await database.snapshot(async (trx) => {
      const last = await lastOfStep(trx, after);
      return { through: last, ...(await compare(trx, after, last)) };
    });
    total.instances += step.instances;
    total.events += step.events;
    total.differences.push(...step.differences);
    if (through === undefined) return total;
    after = through;
  }
}

async function compare(db: Reader, after: RefId, through: RefId | undefined): Promise<Verified> {
  const stored = await storedRows(db, after, through);
  const events = through === undefined ? [] : await eventsBetween(db, after, through);
  const lives = foldAll(events);
  const differences: Difference[] = [];
  const report = (refId: RefId, model: Difference['model'], what: string[]) => {
    if (what.length > 0) differences.push({ refId, model, what });
  };

  const kept = {
    instances: byRef(stored.instances),
    attempts: byRef(stored.attempts),
    machines: byRef(stored.machines),
  };
  const refIds = new Set([...lives.keys(), ...Object.values(kept).flatMap((one) => [...one.keys()])]);
  for (const refId of [...refIds].sort()) {
    const life = lives.get(refId);
    const rows = life && toRows(life);
    report(refId, 'instance', jsonDifferences(kept.instances.get(refId)?.[0], rows?.instance));
    report(refId, 'attempts', jsonDifferences(kept.attempts.get(refId) ?? [], rows?.attempts ?? []));
    const machines = rows?.machines.toSorted((a, b) => (a.cloudId < b.cloudId ? -1 : 1));
    report(refId, 'machines', jsonDifferences(kept.machines.get(refId) ?? [], machines ?? []));
    report(refId, 'events', life?.fault ? [life.fault] : []);
  }
  for (const [refId, holes] of holesOf(events)) report(refId, 'events', holes);
  return { instances: lives.size, events: events.length, differences };
}

function byRef<Row extends { refId: RefId }>(rows: readonly Row[]): Map<RefId, Row[]> {
  const groups = new Map<RefId, Row[]>();
  for (const row of rows) {
    const group = groups.get(row.refId);
    if (group) group.push(row);
    else groups.set(row.refId, [row]);
  }
  return groups;
}

/** Events of one instance that are missing, or stand in another order by position than by number. */
function holesOf(events: readonly Selectable<EventTable>[]): Map<RefId, string[]> {
  const holes = new Map<RefId, string[]>();
  for (const [refId, list] of byRef(events)) {
    const wrong = list.flatMap(({ seq, type, position }, index) => {
      const expected = (list[index - 1]?.seq ?? 0) + 1;
      if (seq !== expected && type !== 'FactsLost') return [`event ${expected} is missing`];
      return index > 0 && position < (list[index - 1]?.position ?? 0) ? [`event ${seq} stands before ${seq - 1}`] : [];
    });
    if (wrong.length > 0) holes.set(refId, wrong.slice(0, 1));
  }
  return holes;
}

/** Where the step ends. Asked inside its transaction: an instance that came later belongs to it, or to a later step. */
async function lastOfStep(db: Reader, after: RefId): Promise<RefId | undefined> {
  const query = db.selectFrom('journalEvent').select('refId').distinct().where('refId', '>', after);
  const refIds = await query.orderBy('refId').limit(STEP).execute();
  return refIds.at(-1)?.refId;
}

async function eventsBetween(db: Reader, after: RefId, through: RefId): Promise<Selectable<EventTable>[]> {
  const query = db.selectFrom('journalEvent').selectAll().where('refId', '>', after).where('refId', '<=', through);
  return await query.orderBy('refId').orderBy('seq').execute();
}
