import type { Journal } from './journal.js';
import { rebuild } from './models/rebuild.js';
import { SqlJournal } from './sql-journal.js';
import { Database } from './store/database.js';
import { migrate, requireSchema } from './store/migrate.js';

/**
 * Opens the journal at `sqlite:/path/to/file.db`, at a plain path, or at `postgres://user:password@host/database`.
 *
 * A SQLite file is made, and brought to this code's schema, as needed. A PostgreSQL database is production's: whoever
 * deploys migrates it (`migrateJournal`), and until then opening it is refused.
 * @throws {JournalSchemaMismatch} the tables are missing, older (PostgreSQL), or newer than this code.
 * @throws {JournalUnavailable} it cannot be reached.
 * @throws {JournalInvalid} `url` is none of these.
 */
export async function openJournal(url: string): Promise<Journal> {
  const database = Database.at(url);
  try {
    if (database.engine === 'sqlite') await migrateAndRebuild(database);
    else await requireSchema(database);
  } catch (error) {
    await database.close();
    throw error;
  }
  return new SqlJournal(database);
}

/** Schema versions before and after; equal when there was nothing to do. */
export interface Migrated {
  from: number;
  to: number;
}

/**
 * Brings the tables to this code's schema, and the read models with them. May be run again, and by several processes
 * at once. There is no way back: a journal is never made older.
 * @throws as `openJournal`
 */
export async function migrateJournal(url: string): Promise<Migrated> {
  const database = Database.at(url);
  try {
    return await migrateAndRebuild(database);
  } finally {
    await database.close();
  }
}

/** A new schema may hold new models, and they are made from the events. */
async function migrateAndRebuild(database: Database): Promise<Migrated> {
  const migrated = await migrate(database);
  if (migrated.from > 0 && migrated.from < migrated.to) await rebuild(database);
  return migrated;
}
