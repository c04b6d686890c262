import { type Dialect, PostgresDialect } from 'kysely';
import pg from 'pg';

/** One writes, the others read; a process needs no more, and a server's connections are few. */
export const CONNECTIONS = 4;
const INT8 = 20;
/** A statement that hangs is ended by the server, after so many ms. */
const STATEMENT_MS = 30_000;
/** A server that has not even said so by then is gone, whatever the connection looks like. In ms. */
const SILENT_MS = STATEMENT_MS + 3_000;
/** A connection that nobody uses is asked after so many ms whether the other end is still there. */
const IDLE_MS = 10_000;

/**
 * kysely's dialect for a PostgreSQL server. Durability is the server's `synchronous_commit`: leave it on.
 *
 * Appends wait for each other, so nobody may hold their lock for long: the server ends a transaction that a frozen
 * process left idle (its work is undone, and done again by whoever repeats it), and a statement that hangs. A host that
 * vanishes without a word ends nothing: its connections look sound for as long as TCP repeats itself, a quarter of an
 * hour, so each statement has a deadline on our side as well.
 */
export function postgresDialect(url: string): Dialect {
  const pool = new pg.Pool({
    connectionString: url,
    max: CONNECTIONS,
    application_name: 'slipway-journal',
    connectionTimeoutMillis: 5_000,
    statement_timeout: STATEMENT_MS,
    query_timeout: SILENT_MS,
    idle_in_transaction_session_timeout: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: IDLE_MS,
    types: {
      getTypeParser: ((oid: number, format?: 'text') => parserOf(oid, format)) as typeof pg.types.getTypeParser,
    },
  });
  // A connection that breaks while nobody uses it. The pool drops it; without a listener it would end the process.
  pool.on('error', () => undefined);
  // One that breaks between two statements of a transaction is the pool's no more. Whoever holds it is told by the next.
  pool.on('connect', (client) => client.on('error', () => undefined));
  pool.on('connect', endWhenSilent);
  return new PostgresDialect({ pool });
}

/**
 * `pg` gives up a statement that got no answer and keeps its connection: what comes next on it, the rollback first,
 * waits behind that statement. So the connection is ended with it; the pool then makes another.
 */
function endWhenSilent(client: pg.PoolClient): void {
  const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
  const guarded = async (...args: unknown[]) => {
    try {
      return await query(...args);
    } catch (error) {
      if (isSilence(error)) void (client as unknown as pg.Client).end(); // destroys what has a statement under way
      throw error;
    }
  };
  client.query = guarded as typeof client.query;
}

/** The server did not answer within our own deadline: `pg` gives that no code. */
export function isSilence(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout';
}

/** Positions, sizes and counts stay far below 2^53, so they are numbers here, as on SQLite. */
function parserOf(oid: number, format?: 'text') {
  return oid === INT8 ? Number : pg.types.getTypeParser(oid, format);
}

/** SQLSTATE, or the code of a socket error. */
export function postgresCode(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
