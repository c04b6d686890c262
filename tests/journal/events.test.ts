import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import { fold, type InstanceEvent } from '../../src/domain/instance/index.js';
import { JournalConflict, type JournalEntry, JournalGap, JournalInvalid } from '../../src/journal/index.js';
import { onBothEngines } from './support/engines.js';
import { attempted, created, ready, refused, requested, running, SHAPES, stamp, west } from './support/lives.js';

const life = (refId: string) => stamp(SHAPES.refusedThenReady?.(refId, west) ?? []);

/** Rejects with this error; gives it back to be looked at. */
async function refusal<T extends Error>(call: Promise<unknown>, type: new (...args: never[]) => T): Promise<T> {
  const error = await call.then(
    () => new Error('it was accepted'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(type);
  return error as T;
}

async function take(entries: AsyncIterable<JournalEntry>, count: number): Promise<JournalEntry[]> {
  const taken: JournalEntry[] = [];
  if (count === 0) return taken;
  for await (const entry of entries) {
    taken.push(entry);
    if (taken.length === count) break;
  }
  return taken;
}

onBothEngines((engine) => {
  describe('append', () => {
    it('stores events, and gives them back as they were', async () => {
      const { journal } = await engine.newJournal();
      const events = life('a');
      expect(await journal.append('a', events.slice(0, 3))).toEqual({ appended: 3, seq: 3, position: 3 });
      expect(await journal.append('a', events.slice(3))).toEqual({ appended: 5, seq: 8, position: 8 });
      const entries = await journal.read('a');
      expect(entries.map(({ event }) => event)).toEqual(events);
      expect(entries[0]).toMatchObject({ position: 1, refId: 'a', schemaVersion: 1 });
      expect((await journal.read('a', 7)).map(({ event }) => event.seq)).toEqual([7, 8]);
      expect(await journal.stateOf('a')).toEqual(fold(events));
      expect(await journal.stateOf('nobody')).toBeUndefined();
      expect(await journal.head()).toBe(8);
    });

    it('changes nothing when it is repeated, in part or in whole, by whichever process', async () => {
      const { journal, url } = await engine.newJournal();
      const events = life('a');
      await journal.append('a', events.slice(0, 4));
      const other = await engine.open(url);
      expect(await other.append('a', events.slice(0, 4))).toEqual({ appended: 0, seq: 4, position: 4 });
      expect(await other.append('a', events.slice(1, 2))).toEqual({ appended: 0, seq: 4, position: 2 });
      expect(await other.append('a', events.slice(2, 6))).toEqual({ appended: 2, seq: 6, position: 6 });
      expect(await journal.append('a', events)).toEqual({ appended: 2, seq: 8, position: 8 });
      expect(await journal.append('a', [])).toEqual({ appended: 0, seq: 8, position: 0 });
      expect((await journal.readAll()).map(({ position }) => position)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    });

    it('takes an event for equal whatever the order of its fields', async () => {
      const { journal } = await engine.newJournal();
      const [event] = stamp([requested('a')]) as [InstanceEvent];
      await journal.append('a', [event]);
      const turned = Object.fromEntries(Object.entries(event).reverse()) as InstanceEvent;
      expect(await journal.append('a', [turned])).toMatchObject({ appended: 0 });
    });

    it('refuses another event under a known number, keeps the stored one, and stores nothing of the call', async () => {
      const { journal } = await engine.newJournal();
      const events = stamp([requested('a'), attempted()]);
      await journal.append('a', events);
      const other = stamp([requested('a'), attempted(), refused()]).map((event) => ({
        ...event,
        at: '2026-03-02T00:00:00.000Z',
      }));
      const conflict = await refusal(journal.append('a', other.slice(1)), JournalConflict);
      expect(conflict).toMatchObject({ refId: 'a', seq: 2, stored: { at: events[1]?.at }, kind: 'conflict' });
      expect((await journal.read('a')).map(({ event }) => event)).toEqual(events);
    });

    it('refuses a gap and says which event it expects', async () => {
      const { journal } = await engine.newJournal();
      const events = life('a');
      expect(await refusal(journal.append('a', events.slice(1)), JournalGap)).toMatchObject({
        expectedSeq: 1,
        offeredSeq: 2,
      });
      await journal.append('a', events.slice(0, 2));
      expect(await refusal(journal.append('a', events.slice(4)), JournalGap)).toMatchObject({
        expectedSeq: 3,
        offeredSeq: 5,
      });
      const holed = [events[2], events[4]] as InstanceEvent[];
      expect(await refusal(journal.append('a', holed), JournalGap)).toMatchObject({ expectedSeq: 4, offeredSeq: 5 });
      expect(await journal.head()).toBe(2);
    });

    it('refuses what is not the beginning of this instance', async () => {
      const { journal } = await engine.newJournal();
      await refusal(journal.append('a', stamp([attempted()])), JournalInvalid);
      await refusal(journal.append('a', stamp([requested('b')])), JournalInvalid);
      await refusal(journal.append('a', [{ ...stamp([requested('a')])[0], seq: 0 } as InstanceEvent]), JournalInvalid);
      expect(await journal.head()).toBe(0);
    });

    it('stores many at once in the order of the calls, and refuses among them only what is wrong', async () => {
      const { journal } = await engine.newJournal();
      const a = life('a');
      const results = await Promise.allSettled([
        journal.append('a', a.slice(0, 1)),
        journal.append('b', life('b')),
        journal.append('a', a.slice(1, 3)),
        journal.append('a', stamp([requested('a'), created()])),
        journal.append('c', life('c').slice(1)),
        journal.append('a', a.slice(0, 4)),
        journal.append('a', a.slice(3)),
      ]);
      expect(results.map(({ status }) => status)).toEqual([
        'fulfilled',
        'fulfilled',
        'fulfilled',
        'rejected',
        'rejected',
        'fulfilled',
        'fulfilled',
      ]);
      expect(results[5]).toMatchObject({ value: { appended: 1, seq: 4 } });
      expect((await journal.read('a')).map(({ event }) => event)).toEqual(a);
      expect(await journal.read('c')).toEqual([]);
      expect((await journal.readAll()).map(({ position }) => position)).toEqual(
        Array.from({ length: 16 }, (_, index) => index + 1),
      );
      expect((await journal.verify()).differences).toEqual([]);
    });

    it('keeps facts that do not fit together, names the fault, and goes on with everybody else', async () => {
      const { journal } = await engine.newJournal();
      const broken = stamp([requested('a'), attempted(), ready(), running()]);
      await Promise.all([journal.append('a', broken), journal.append('b', life('b'))]);
      expect((await journal.read('a')).map(({ event }) => event)).toEqual(broken);
      const { rows } = await journal.instances({ faulty: true });
      expect(rows).toMatchObject([{ refId: 'a', phase: 'creating', seq: 4 }]);
      expect(rows[0]?.fault).toContain('InstanceReady');
      await expect(journal.stateOf('a')).rejects.toThrow('InstanceReady');
      const { differences } = await journal.verify();
      expect(differences.map(({ refId, model }) => [refId, model])).toEqual([['a', 'events']]);
    });

    it('lets nobody change or delete an event, not even with SQL', async () => {
      const { journal, url } = await engine.newJournal();
      await journal.append('a', life('a'));
      await expect(engine.query(url, sql`update journal_event set type = 'Other'`)).rejects.toThrow('append-only');
      await expect(engine.query(url, sql`delete from journal_event`)).rejects.toThrow('append-only');
    });

    it('keeps text that databases differ on', async () => {
      const { journal, url } = await engine.newJournal();
      const message = `nul ${String.fromCharCode(0)} half ${'\u{1f600}'.slice(0, 1)} whole \u{1f600} quote ' " \\ ${'x'.repeat(2_000)}`;
      const odd = stamp([
        requested('a'),
        attempted(),
        { type: 'CapacityRefused', attempt: 1, failure: { kind: 'InsufficientResources', message } },
      ]);
      await journal.append('a', odd);
      expect((await journal.read('a')).map(({ event }) => event)).toEqual(odd);
      const [attempt] = (await journal.attempts()).rows;
      expect(attempt?.evidence).toMatch(/^nul \ufffd half \ufffd whole \u{1f600} quote/u);
      expect((await (await engine.open(url)).verify()).differences).toEqual([]);
    });

    it('holds no user data, only its size and digest', async () => {
      const { journal, url } = await engine.newJournal();
      const plant = Buffer.from('#!/bin/sh\necho planted-user-data').toString('base64');
      await journal.append('a', stamp([requested('a', { userDataBase64: plant }), attempted(), created()]));
      for (const table of ['journal_event', 'journal_instance', 'journal_attempt', 'journal_machine', 'journal_meta']) {
        const text = JSON.stringify(await engine.query(url, sql`select * from ${sql.raw(table)}`));
        expect(text).not.toContain(plant);
        expect(text).not.toContain('planted-');
      }
    });
  });

  describe('reading by position', () => {
    it('pages through all events', async () => {
      const { journal } = await engine.newJournal();
      for (const refId of ['a', 'b', 'c']) await journal.append(refId, life(refId));
      const first = await journal.readAll({ limit: 10 });
      const second = await journal.readAll({ after: first.at(-1)?.position ?? 0, limit: 100 });
      expect([...first, ...second].map(({ position }) => position)).toEqual(
        Array.from({ length: 24 }, (_, i) => i + 1),
      );
      await refusal(journal.readAll({ limit: 0 }), JournalInvalid);
    });

    it('follows from a position, past the present, and ends when it is told', async () => {
      const { journal, url } = await engine.newJournal();
      const writer = await engine.open(url);
      await writer.append('a', life('a'));
      const stop = new AbortController();
      const seen: number[] = [];
      for await (const { position } of journal.follow({ after: 5, signal: stop.signal, pollMs: 5 })) {
        seen.push(position);
        if (position === 8) await writer.append('b', life('b')); // another process, as far as the follower knows
        if (position === 16) await journal.append('c', life('c')); // its own
        if (position === 24) stop.abort();
      }
      expect(seen).toEqual(Array.from({ length: 19 }, (_, index) => index + 6));
    });

    it('is woken by appends of its own process, without waiting for the next look', async () => {
      const { journal } = await engine.newJournal();
      const following = take(journal.follow({ pollMs: 3_600_000 }), 8);
      await journal.append('a', life('a').slice(0, 4));
      await journal.append('a', life('a').slice(4));
      expect((await following).map(({ event }) => event.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    });

    it('ends a waiting follower at once', async () => {
      const { journal } = await engine.newJournal();
      const stop = new AbortController();
      const following = take(journal.follow({ signal: stop.signal, pollMs: 3_600_000 }), 1);
      stop.abort();
      expect(await following).toEqual([]);
      expect(await take(journal.follow({ signal: stop.signal }), 1)).toEqual([]);
    });
  });
});
