import { DatabaseSync, type DatabaseSyncInstance } from '@photostructure/sqlite';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type SqliteStatement,
} from 'kysely';

/**
 * How long a transaction waits for another's to end before it fails as busy. Writers hold the lock for milliseconds, a
 * rebuild for some tens per step.
 */
const BUSY_MS = 10_000;

/**
 * How long SQLite itself may wait inside a call. Its wait blocks the event loop, and with it whoever in this very
 * process holds the lock and has yet to commit: so it is short, and the real wait is ours.
 */
const BLOCKING_MS = 10;

/** SQLite's own 2 MB hold too little of the read models' indexes once there are some ten thousand instances. */
const CACHE_KIB = 32 * 1024;

/**
 * kysely's dialect for a SQLite file, over the API of `node:sqlite`.
 *
 * WAL: readers and the one writer do not block each other, and a process killed in a transaction leaves none of it.
 * `synchronous = FULL`: a commit is on the disk when it returns, also after a power cut; an intent that was journaled
 * before the provider was called must not be lost with the machine. It costs about 0.2 ms more per commit than NORMAL.
 */
export function sqliteDialect(file: string): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new ImmediateDriver({ database: async () => await openFile(file) }),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

/** Takes the write lock when a transaction begins: one that read first and then wants to write would be refused at once. */
class ImmediateDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await whileBusy(() => connection.executeQuery(CompiledQuery.raw('begin immediate')));
  }
}

async function openFile(file: string): Promise<SqliteDatabase> {
  const database = new DatabaseSync(file, { timeout: BLOCKING_MS });
  try {
    // The switch to WAL needs the file alone. Once made, it is in the file, and this changes nothing.
    await whileBusy(() => database.prepare('pragma journal_mode = wal').get());
    database.exec('pragma synchronous = full');
    database.exec(`pragma cache_size = -${CACHE_KIB}`);
    return toKysely(database);
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Tries again, a few milliseconds apart, until the file is free. @throws SQLite's error, after `BUSY_MS`. */
export async function whileBusy<T>(work: () => T | Promise<T>): Promise<T> {
  const giveUp = Date.now() + BUSY_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (sqliteCode(error) !== SQLITE_BUSY || Date.now() > giveUp) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1 + Math.random() * 9));
    }
  }
}

const SQLITE_BUSY = 5;

/** SQLite's primary result code of an error, if it is one. */
export function sqliteCode(error: unknown): number | undefined {
  const { errcode } = (error ?? {}) as { errcode?: unknown };
  return typeof errcode === 'number' ? errcode & 0xff : undefined;
}

/** Statements kept ready, by their text. */
const STATEMENTS_KEPT = 100;

function toKysely(database: DatabaseSyncInstance): SqliteDatabase {
  const kept = new Map<string, SqliteStatement>();
  return {
    close: () => database.close(),
    prepare: (text) => {
      const known = kept.get(text);
      if (known) return known;
      const statement = database.prepare(text);
      const prepared: SqliteStatement = {
        reader: statement.columns().length > 0,
        all: (parameters) => statement.all(...(parameters as [])),
        run: (parameters) => statement.run(...(parameters as [])),
        iterate: (parameters) => statement.iterate(...(parameters as [])) as IterableIterator<unknown>,
      };
      if (kept.size >= STATEMENTS_KEPT) kept.delete(kept.keys().next().value ?? '');
      kept.set(text, prepared);
      return prepared;
    },
  };
}
