import type { Insertable } from 'kysely';
import type { Reader, Writer } from '../store/database.js';
import type { AttemptTable, InstanceTable, MachineTable, Tables } from '../store/tables.js';
import type { Life } from './life.js';
import { type Rows, toAttemptRow, toInstanceRow, toMachineRow } from './rows.js';

/** Rows per statement: some 23 columns each stay below SQLite's 32,766 parameters. */
const CHUNK = 200;

/** The rows that changed from one life of an instance to the next; all of them when nothing is stored yet. */
export function changedRows(before: Life | undefined, after: Life): Rows {
  const attempts = new Set(before?.attempts);
  const machines = new Set(before?.machines);
  return {
    instance: toInstanceRow(after),
    attempts: after.attempts.filter((one) => !attempts.has(one)).map((one) => toAttemptRow(after.refId, one)),
    machines: after.machines.filter((one) => !machines.has(one)).map((one) => toMachineRow(after.refId, one)),
  };
}

/** Stores rows, replacing those with the same key. */
export async function putRows(trx: Writer, rows: readonly Rows[]): Promise<void> {
  await put(
    trx,
    'journalInstance',
    rows.map(({ instance }) => instance),
    ['refId'],
  );
  await put(
    trx,
    'journalAttempt',
    rows.flatMap(({ attempts }) => attempts),
    ['refId', 'attempt'],
  );
  await put(
    trx,
    'journalMachine',
    rows.flatMap(({ machines }) => machines),
    ['refId', 'cloudId'],
  );
}

type Model = { journalInstance: InstanceTable; journalAttempt: AttemptTable; journalMachine: MachineTable };

async function put<Name extends keyof Model>(
  trx: Writer,
  table: Name,
  rows: readonly Model[Name][],
  key: readonly (keyof Model[Name] & string)[],
): Promise<void> {
  const columns = Object.keys(rows[0] ?? {}).filter((column) => !(key as readonly string[]).includes(column));
  for (const chunk of chunks(rows)) {
    await trx
      .insertInto(table)
      .values(chunk as unknown as Insertable<Tables[Name]>[])
      .onConflict((conflict) =>
        conflict
          .columns(key as never)
          .doUpdateSet(
            ({ ref }) => Object.fromEntries(columns.map((name) => [name, ref(`excluded.${name}` as never)])) as never,
          ),
      )
      .execute();
  }
}

/** Deletes what the models hold of instances with `after < refId <= through`; without `through`, of all beyond. */
export async function deleteRows(trx: Writer, after: string, through?: string): Promise<void> {
  for (const table of ['journalInstance', 'journalAttempt', 'journalMachine'] as const) {
    const beyond = trx.deleteFrom(table).where('refId', '>', after);
    await (through === undefined ? beyond : beyond.where('refId', '<=', through)).execute();
  }
}

/** Deletes what the models hold of one instance. */
export async function deleteRowsOf(trx: Writer, refId: string): Promise<void> {
  for (const table of ['journalInstance', 'journalAttempt', 'journalMachine'] as const) {
    await trx.deleteFrom(table).where('refId', '=', refId).execute();
  }
}

/** What the models hold of the same instances, in the order of their keys. */
export async function storedRows(
  db: Reader,
  after: string,
  through?: string,
): Promise<Omit<Rows, 'instance'> & { instances: InstanceTable[] }> {
  const last = through ?? HIGHEST;
  return {
    instances: await db
      .selectFrom('journalInstance')
      .selectAll()
      .where('refId', '>', after)
      .where('refId', '<=', last)
      .orderBy('refId')
      .execute(),
    attempts: await db
      .selectFrom('journalAttempt')
      .selectAll()
      .where('refId', '>', after)
      .where('refId', '<=', last)
      .orderBy('refId')
      .orderBy('attempt')
      .execute(),
    machines: await db
      .selectFrom('journalMachine')
      .selectAll()
      .where('refId', '>', after)
      .where('refId', '<=', last)
      .orderBy('refId')
      .orderBy('cloudId')
      .execute(),
  };
}

/** Sorts after every refId, which is ASCII. */
const HIGHEST = '\uffff';

export function* chunks<T>(list: readonly T[], size: number = CHUNK): Generator<T[]> {
  for (let start = 0; start < list.length; start += size) yield list.slice(start, start + size);
}
