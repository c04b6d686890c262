import { Client, Connection } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { type JournalEntry, SlipwayClient } from '../../src/client/index.js';
import { onBothEngines } from '../journal/support/engines.js';
import { SHAPES, stamp, west } from '../journal/support/lives.js';

let connection: Connection;
const opened: SlipwayClient[] = [];
beforeAll(async () => {
  connection = await Connection.connect({ address: inject('temporalAddress') });
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((client) => client.close()));
});
afterAll(() => connection?.close());

function clientOf(journalUrl?: string): SlipwayClient {
  const client = new SlipwayClient({ client: new Client({ connection }), ...(journalUrl && { journalUrl }) });
  opened.push(client);
  return client;
}

const life = (refId: string) => stamp(SHAPES.ready?.(refId, west) ?? []);

async function take(entries: AsyncIterable<JournalEntry>, count: number): Promise<JournalEntry[]> {
  const taken: JournalEntry[] = [];
  for await (const entry of entries) {
    taken.push(entry);
    if (taken.length === count) break;
  }
  return taken;
}

onBothEngines((engine) => {
  describe('client.follow', () => {
    it('gives every event with its position, and goes on after the one it is told', async () => {
      const { journal, url } = await engine.newJournal();
      await journal.append('a', life('a'));
      const client = clientOf(url);
      const first = await take(client.follow(), 4);
      expect(first.map(({ position, event }) => [position, event.seq])).toEqual([1, 2, 3, 4].map((one) => [one, one]));
      const rest = take(client.follow({ after: 4, pollMs: 5 }), 4);
      await journal.append('b', life('b'));
      expect((await rest).map(({ refId, position }) => [refId, position])).toEqual([
        ['a', 5],
        ['a', 6],
        ['b', 7],
        ['b', 8],
      ]);
    });

    it('ends when it is told to, also while it waits', async () => {
      const { url } = await engine.newJournal();
      const stop = new AbortController();
      const following = take(clientOf(url).follow({ signal: stop.signal, pollMs: 3_600_000 }), 1);
      stop.abort();
      expect(await following).toEqual([]);
    });

    if (engine.name === 'PostgreSQL') {
      it('waits for a database that is away, and goes on without a gap or a double', async () => {
        const { journal, url } = await engine.newJournal();
        await journal.append('a', life('a'));
        const troubles: Error[] = [];
        const events: JournalEntry[] = [];
        for await (const entry of clientOf(url).follow({ onTrouble: (error) => troubles.push(error) })) {
          events.push(entry);
          if (entry.position === 6) void restartAndAppend();
          if (entry.position === 12) break;
        }
        expect(events.map(({ position }) => position)).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
        expect(troubles.map(({ name }) => name)).toContain('JournalUnavailable');

        async function restartAndAppend(): Promise<void> {
          await engine.postgres().kill();
          // Back only once it was missed: a restart between two looks is noticed by nobody.
          await expect.poll(() => troubles.length, { timeout: 30_000 }).toBeGreaterThan(0);
          await engine.postgres().restart();
          const again = async (): Promise<unknown> => journal.append('b', life('b')).catch(again);
          await again();
        }
      });
    }
  });
});

describe('a client', () => {
  it('without a usable journal says so when it is to follow', async () => {
    const kindOf = async (url?: string) =>
      await take(clientOf(url).follow(), 1).catch((error: { name: string; kind: string }) => [error.name, error.kind]);
    expect(await kindOf()).toEqual(['SlipwayError', 'InvalidRequest']);
    expect(await kindOf('mysql://host/db')).toEqual(['SlipwayError', 'InvalidRequest']);
    expect(await kindOf('postgres://127.0.0.1:1/journal')).toEqual(['SlipwayError', 'Unreachable']);
  });
});
