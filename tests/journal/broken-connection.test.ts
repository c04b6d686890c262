import { connect, createServer, type Server, type Socket } from 'node:net';
import getPort from 'get-port';
import { Kysely, sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { JournalUnavailable, migrateJournal, openJournal } from '../../src/journal/index.js';
import { postgresDialect } from '../../src/journal/store/postgres.js';
import { SHAPES, stamp, west } from './support/lives.js';
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

/** Between a client and a server: once it falls silent, nothing passes on the connections there are, and none is closed. */
async function startProxy(to: URL): Promise<{ url: string; fallSilent(): void; close(): void }> {
  const pairs: [Socket, Socket][] = [];
  const server: Server = createServer((client) => {
    const upstream = connect(Number(to.port), to.hostname);
    pairs.push([client, upstream]);
    client.pipe(upstream).pipe(client);
    for (const end of [client, upstream]) end.on('error', () => undefined);
  });
  const port = await getPort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const url = new URL(to);
  url.port = String(port);
  return {
    url: url.href,
    fallSilent: () => {
      for (const [client, upstream] of pairs) {
        client.unpipe(upstream);
        upstream.unpipe(client);
      }
    },
    close: () => {
      for (const end of pairs.flat()) end.destroy();
      server.close();
    },
  };
}

it('a server that vanishes without a word is an outage after our own deadline, and another connection goes on', async () => {
  const address = await postgres.newSchema();
  await migrateJournal(address);
  const proxy = await startProxy(new URL(address));
  const journal = await openJournal(`${proxy.url}&query_timeout=500`);
  try {
    const events = stamp(SHAPES.ready?.('a', west) ?? []);
    await journal.append('a', events.slice(0, 1));
    proxy.fallSilent();
    await expect(journal.append('a', events.slice(0, 2))).rejects.toThrow(JournalUnavailable);
    expect(await journal.append('a', events)).toMatchObject({ seq: events.length });
    expect((await journal.read('a')).map(({ event }) => event)).toEqual(events);
  } finally {
    proxy.close();
    await journal.close();
  }
});
