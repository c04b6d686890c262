import { CamelCasePlugin, Kysely, sql, type Transaction } from 'kysely';
import { parseJournalUrl } from '../address.js';
import { JournalError, JournalUnavailable } from '../errors.js';
import type { Engine } from './migrations.js';
import { isSilence, postgresCode, postgresDialect } from './postgres.js';
import { sqliteCode, sqliteDialect, whileBusy } from './sqlite.js';
import type { Tables } from './tables.js';

export type Reader = Kysely<Tables>;
export type Writer = Transaction<Tables>;

/** One database behind the journal: the same tables and statements on both engines. Driver errors leave it translated. */
export class Database {
  private readonly kysely: Kysely<Tables>;

  private constructor(
    readonly engine: Engine,
    /** Where it is, for people: no password. */
    readonly where: string,
    kysely: Kysely<Tables>,
  ) {
    this.kysely = kysely;
  }

  /** Opens lazily: the first statement connects. @param url as `openJournal` takes it. @throws {JournalInvalid} */
  static at(url: string): Database {
    const { engine, location, where } = parseJournalUrl(url);
    const dialect = engine === 'postgres' ? postgresDialect(location) : sqliteDialect(location);
    return new Database(engine, where, new Kysely<Tables>({ dialect, plugins: [new CamelCasePlugin()] }));
  }

  /** Runs selects that need not belong together, again if the file is busy. @throws {JournalUnavailable} */
  async read<T>(work: (db: Reader) => Promise<T>): Promise<T> {
    return await this.translating(() => whileBusy(() => work(this.kysely)));
  }

  /** Runs a transaction whose every statement sees the journal as of its beginning. */
  async snapshot<T>(work: (trx: Writer) => Promise<T>): Promise<T> {
    return await this.translating(() => this.kysely.transaction().setIsolationLevel('repeatable read').execute(work));
  }

  /** Runs a transaction. */
  async write<T>(work: (trx: Writer) => Promise<T>): Promise<T> {
    return await this.translating(() => this.kysely.transaction().setIsolationLevel('read committed').execute(work));
  }

  /**
   * Runs a transaction that no other of this kind overlaps, in any process. Its order of commits is therefore the
   * order of the positions it hands out, and whoever reads up to a position has seen all below it.
   *
   * SQLite has one writer anyway. On PostgreSQL a lock is held to the transaction's end; it is released after the
   * commit became visible, and statements see what was committed before each began (hence `read committed`).
   */
  async writeInTurn<T>(work: (trx: Writer) => Promise<T>): Promise<T> {
    return await this.write(async (trx) => {
      if (this.engine === 'postgres') {
        await sql`select pg_advisory_xact_lock(${LOCK_SPACE}, hashtext(current_schema()))`.execute(trx);
      }
      return await work(trx);
    });
  }

  async close(): Promise<void> {
    await this.kysely.destroy();
  }

  private async translating<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof JournalError || !isOutage(error)) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new JournalUnavailable(`The journal at ${this.where} does not answer: ${reason}`, { cause: error });
    }
  }
}

/** "slip" in ASCII: keeps our locks apart from other applications'. */
const LOCK_SPACE = 0x736c6970;

/** BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN: the file's surroundings, not our statement. */
const SQLITE_OUTAGES: ReadonlySet<number> = new Set([5, 6, 7, 8, 10, 13, 14]);
/** Connection, resources, operator, system; a transaction that was undone; a statement or lock that took too long. */
const POSTGRES_OUTAGE = /^(?:08|28|3D|40|53|55|57|58)/;
const SQLSTATE = /^[0-9A-Z]{5}$/;

function isOutage(error: unknown): boolean {
  const sqlite = sqliteCode(error);
  if (sqlite !== undefined) return SQLITE_OUTAGES.has(sqlite);
  const code = postgresCode(error);
  if (code !== undefined && SQLSTATE.test(code) && code !== 'EPIPE') return POSTGRES_OUTAGE.test(code);
  if (code !== undefined) return /^E[A-Z_]+$/.test(code) && !code.startsWith('ERR_');
  if (isSilence(error)) return true;
  return error instanceof Error && DISCONNECTED.test(error.message);
}

/** How `pg` words what has no code. */
const DISCONNECTED = /Connection terminated|timeout exceeded when trying to connect|not queryable|Client was closed/i;
