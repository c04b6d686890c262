import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import {
  JournalInvalid,
  JournalSchemaMismatch,
  JournalUnavailable,
  migrateJournal,
  openJournal,
} from '../../src/journal/index.js';
import { LATEST_VERSION } from '../../src/journal/store/migrations.js';
import { onBothEngines } from './support/engines.js';
import { requested, SHAPES, stamp, west } from './support/lives.js';
import { PASSWORD } from './support/postgres.js';

onBothEngines((engine) => {
  describe('the schema', () => {
    it('is made once, however often it is asked for', async () => {
      const url = await engine.newUrl();
      expect(await Promise.all([migrateJournal(url), migrateJournal(url)])).toContainEqual({
        from: 0,
        to: LATEST_VERSION,
      });
      expect(await migrateJournal(url)).toEqual({ from: LATEST_VERSION, to: LATEST_VERSION });
    });

    it('is refused when it is newer than the code, by opening and by migrating', async () => {
      const url = await engine.newUrl();
      await migrateJournal(url);
      await engine.query(url, sql`update journal_meta set value = '99' where key = 'schema_version'`);
      await expect(openJournal(url)).rejects.toThrow(JournalSchemaMismatch);
      await expect(openJournal(url)).rejects.toThrow(/99.*newer/);
      await expect(migrateJournal(url)).rejects.toThrow(JournalSchemaMismatch);
    });

    it('an event of a version that is newer than the code is refused by name', async () => {
      const { journal, url } = await engine.newJournal();
      await journal.append('a', stamp([requested('a')]));
      await engine.query(
        url,
        sql`insert into journal_event (position, ref_id, seq, type, at, schema_version, data, recorded_at) values (2, 'a', 2, 'Later', '2026', 7, '{}', '2026')`,
      );
      await expect(journal.read('a')).rejects.toThrow(/Later \(seq 2\) is of schema version 7/);
    });
  });

  it(engine.name === 'SQLite' ? 'is made when it is opened' : 'is not opened before it was migrated', async () => {
    const url = await engine.newUrl();
    if (engine.name === 'SQLite') expect(await (await engine.open(url)).head()).toBe(0);
    else await expect(openJournal(url)).rejects.toThrow(/migrate it first/);
  });

  it('goes on after its connections were cut', async () => {
    const { journal } = await engine.newJournal();
    const events = stamp(SHAPES.ready?.('a', west) ?? []);
    await journal.append('a', events.slice(0, 2));
    await Promise.all(Array.from({ length: 4 }, () => journal.head()));
    if (engine.name === 'PostgreSQL') await engine.postgres().dropConnections();
    const again = async (): Promise<unknown> => {
      try {
        return await journal.append('a', events);
      } catch (error) {
        expect(error).toBeInstanceOf(JournalUnavailable); // the first calls may meet the ends of the cut connections
        return await again();
      }
    };
    await again();
    expect((await journal.read('a')).map(({ event }) => event)).toEqual(events);
  });
});

describe('the address', () => {
  it('of a database that does not answer is told without its password', async () => {
    const error = await openJournal(`postgres://slipway:${PASSWORD}@127.0.0.1:1/journal`).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(JournalUnavailable);
    expect(String(error)).toContain('postgres://127.0.0.1:1/journal');
    expect(JSON.stringify([String(error), error, (error as Error).cause])).not.toContain(PASSWORD);
  });

  it('of a file that cannot be made is told', async () => {
    await expect(openJournal('sqlite:/nowhere/at/all.db')).rejects.toThrow(JournalUnavailable);
  });

  it.each(['mysql://host/db', '', 'sqlite:', ':memory:'])('%s is refused', async (url) => {
    await expect(openJournal(url)).rejects.toThrow(JournalInvalid);
  });
});
