import { type Dialect, PostgresDialect } from 'kysely';
import pg from 'pg';

/** One writes, the others read; a process needs no more, and a server's connections are few. */
const CONNECTIONS = 4;
const INT8 = 20;

/**
 * kysely's dialect for a PostgreSQL server. Durability is the server's `synchronous_commit`: leave it on.
 *
 * Appends wait for each other, so nobody may hold their lock for long: the server ends a transaction that a frozen
 * process left idle (its work is undone, and done again by whoever repeats it), and a statement that hangs.
 */
export function postgresDialect(url: string): Dialect {
  const pool = new pg.Pool({
    connectionString: url,
    max: CONNECTIONS,
    application_name: 'slipway-journal',
    connectionTimeoutMillis: 5_000,
    statement_timeout: 30_000,
    idle_in_transaction_session_timeout: 10_000,
    keepAlive: true,
    types: {
      getTypeParser: ((oid: number, format?: 'text') => parserOf(oid, format)) as typeof pg.types.getTypeParser,
    },
  });
  // A connection that breaks while nobody uses it. The pool drops it; without a listener it would end the process.
  pool.on('error', () => undefined);
  // One that breaks between two statements of a transaction is the pool's no more. Whoever holds it is told by the next.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return new PostgresDialect({ pool });
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
