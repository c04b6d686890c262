import { Kysely, sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { postgresDialect } from '../../src/journal/store/postgres.js';
import { type PostgresServer, startPostgres } from './support/postgres.js';

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
}, 60_000);
afterAll(() => postgres?.stop());

/** Found by chaos with a PostgreSQL that is killed: without a listener on the connection the worker ended with it. */
it('a connection that breaks between two statements of a transaction fails the next, not the process', async () => {
  const database = new Kysely<unknown>({ dialect: postgresDialect(await postgres.newSchema()) });
  const unhandled: unknown[] = [];
  const note = (error: unknown): unknown => unhandled.push(error);
  process.on('uncaughtException', note);
  try {
    const cutShort = database.transaction().execute(async (transaction) => {
      await sql`select 1`.execute(transaction);
      await postgres.dropConnections();
      // Until the news has reached us: from then on no statement gets through.
      for (;;) await sql`select pg_sleep(0.01)`.execute(transaction);
    });
    await expect(cutShort).rejects.toThrow();
    expect((await sql<{ one: number }>`select 1 as one`.execute(database)).rows).toEqual([{ one: 1 }]);
    expect(unhandled).toEqual([]);
  } finally {
    process.off('uncaughtException', note);
    await database.destroy();
  }
});
