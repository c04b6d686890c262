import { sql } from 'kysely';
import { JournalSchemaMismatch } from '../errors.js';
import type { Database, Reader } from './database.js';
import { LATEST_VERSION, migrations } from './migrations.js';

const VERSION_KEY = 'schema_version';

/** The schema version of the tables; 0 when there are none. */
export async function schemaVersion(database: Database): Promise<number> {
  return await database.read(async (db) => ((await hasMeta(database, db)) ? await readVersion(db) : 0));
}

/**
 * Brings the tables to this code's version, all or nothing. Whoever comes second, from any process, waits for the
 * first and finds it done.
 * @returns the versions before and after.
 * @throws {JournalSchemaMismatch} when the tables are newer than this code.
 */
export async function migrate(database: Database): Promise<{ from: number; to: number }> {
  const before = await schemaVersion(database);
  refuseNewer(before, database);
  if (before === LATEST_VERSION) return { from: before, to: before };
  return await database.writeInTurn(async (trx) => {
    await sql`create table if not exists journal_meta (key text not null primary key, value text not null)`.execute(
      trx,
    );
    const from = await readVersion(trx);
    refuseNewer(from, database);
    for (const statements of migrations(database.engine).slice(from)) {
      for (const statement of statements) await sql.raw(statement).execute(trx);
    }
    await trx
      .insertInto('journalMeta')
      .values({ key: VERSION_KEY, value: String(LATEST_VERSION) })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value: String(LATEST_VERSION) }))
      .execute();
    return { from, to: LATEST_VERSION };
  });
}

/** @throws {JournalSchemaMismatch} unless the tables are exactly of this code's version. */
export async function requireSchema(database: Database): Promise<void> {
  const version = await schemaVersion(database);
  refuseNewer(version, database);
  if (version === LATEST_VERSION) return;
  const found =
    version === 0 ? 'has no tables yet' : `is at schema version ${version}, this Slipway needs ${LATEST_VERSION}`;
  throw new JournalSchemaMismatch(
    `The journal at ${database.where} ${found}: migrate it first (slipway journal migrate).`,
  );
}

function refuseNewer(version: number, { where }: Database): void {
  if (version <= LATEST_VERSION) return;
  throw new JournalSchemaMismatch(
    `The journal at ${where} is at schema version ${version}; this Slipway knows up to ${LATEST_VERSION}. Run the newer one: there is no way back.`,
  );
}

async function hasMeta({ engine }: Database, db: Reader): Promise<boolean> {
  const query =
    engine === 'postgres'
      ? sql<{ found: number }>`select 1 as found where to_regclass('journal_meta') is not null`
      : sql<{ found: number }>`select 1 as found from sqlite_master where name = 'journal_meta'`;
  return (await query.execute(db)).rows.length > 0;
}

async function readVersion(db: Reader): Promise<number> {
  const row = await db.selectFrom('journalMeta').select('value').where('key', '=', VERSION_KEY).executeTakeFirst();
  return Number(row?.value ?? 0);
}
