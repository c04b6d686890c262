import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RawBuilder, sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { type Journal, migrateJournal, openJournal } from '../../../src/journal/index.js';
import { Database } from '../../../src/journal/store/database.js';
import { type PostgresServer, startPostgres } from './postgres.js';

/** What a test gets: empty journals on one engine. Everything is closed and removed after each test. */
export interface Engine {
  name: 'SQLite' | 'PostgreSQL';
  /** The address of a database without tables. */
  newUrl(): Promise<string>;
  /** Another process's view: the same database, opened once more. */
  open(url: string): Promise<Journal>;
  /** A new journal. */
  newJournal(): Promise<{ journal: Journal; url: string }>;
  /** Looks into the tables past the journal. */
  query(url: string, statement: RawBuilder<unknown>): Promise<Record<string, unknown>[]>;
  postgres(): PostgresServer;
}

/** The same suite, on a SQLite file and on a real PostgreSQL. */
export function onBothEngines(suite: (engine: Engine) => void): void {
  for (const name of ['SQLite', 'PostgreSQL'] as const) {
    describe(name, () => {
      let postgres: PostgresServer | undefined;
      let folder = '';
      let files = 0;
      const opened: { close(): Promise<void> }[] = [];

      beforeAll(async () => {
        folder = await mkdtemp(join(tmpdir(), 'slipway-journal-'));
        if (name === 'PostgreSQL') postgres = await startPostgres();
      }, 60_000);
      afterEach(async () => {
        await Promise.all(opened.splice(0).map((one) => one.close()));
      });
      afterAll(async () => {
        await postgres?.stop();
        await rm(folder, { recursive: true, force: true });
      });

      const engine: Engine = {
        name,
        newUrl: async () => {
          files += 1;
          return postgres ? await postgres.newSchema() : `sqlite:${join(folder, `journal-${files}.db`)}`;
        },
        open: async (url) => {
          const journal = await openJournal(url);
          opened.push(journal);
          return journal;
        },
        newJournal: async () => {
          const url = await engine.newUrl();
          await migrateJournal(url);
          return { journal: await engine.open(url), url };
        },
        query: async (url, statement) => {
          const database = Database.at(url);
          try {
            return await database.read(async (db) => (await statement.execute(db)).rows as Record<string, unknown>[]);
          } finally {
            await database.close();
          }
        },
        postgres: () => {
          if (!postgres) throw new Error('not on PostgreSQL');
          return postgres;
        },
      };
      suite(engine);
    });
  }
}

/** Every row of every read model, as text: equal text is equality byte for byte. */
export async function dumpModels(engine: Engine, url: string): Promise<string> {
  const dump: string[] = [];
  for (const [table, key] of MODELS) {
    const rows = await engine.query(url, sql`select * from ${sql.raw(table)} order by ${sql.raw(key)}`);
    dump.push(`-- ${table}`, ...rows.map((row) => JSON.stringify(row)));
  }
  return dump.join('\n');
}

const MODELS = [
  ['journal_instance', 'ref_id'],
  ['journal_attempt', 'ref_id, attempt'],
  ['journal_machine', 'ref_id, cloud_id'],
] as const;
