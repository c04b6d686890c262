import fc from 'fast-check';
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import { toEpochMs, toIsoTime } from '../../src/domain/ids.js';
import type { InstanceEvent, InstanceFact } from '../../src/domain/instance/index.js';
import {
  type Journal,
  JournalConflict,
  type JournalEntry,
  JournalGap,
  JournalInvalid,
  JournalStaleRun,
  migrateJournal,
  startWebhooks,
} from '../../src/journal/index.js';
import { foldLife } from '../../src/journal/models/life.js';
import { migrations } from '../../src/journal/store/migrations.js';
import { dumpModels, onBothEngines } from './support/engines.js';
import {
  attempted,
  BEGIN,
  began,
  created,
  east,
  failure,
  firewalled,
  parked,
  ready,
  refused,
  requested,
  running,
  SHAPES,
  stamp,
  terminated,
  terminateRequested,
  west,
} from './support/lives.js';
import { SECRET, startReceiver } from './support/receiver.js';

const LATER = '2026-03-05T00:00:00.000Z';

/** A life as run 1 wrote it, and as a run that was reset to after event `kept` writes it from there on. */
function resetLife(refId: string, kept: number): { before: InstanceEvent[]; after: InstanceEvent[] } {
  const before = stamp(SHAPES.ready?.(refId, west) ?? []);
  const facts = [
    requested(refId),
    attempted(),
    created({ cloudId: `m-${refId}`, adopted: true }),
    running(),
    firewalled(),
  ];
  const after = stamp(facts, LATER).map((event, index) => (index < kept ? (before[index] ?? event) : event));
  return { before, after };
}

const eventsOf = async (journal: Journal, refId: string) => (await journal.read(refId)).map(({ event }) => event);
const reset = { runId: 'run-2', reason: 'workflow reset' };

onBothEngines((engine) => {
  describe('the run of an event', () => {
    it('is kept with it, and events that are equal are skipped whatever their run', async () => {
      const { journal } = await engine.newJournal();
      const { before } = resetLife('a', 2);
      await journal.append('a', before.slice(0, 2), { runId: 'run-1' });
      await journal.append('a', before.slice(0, 3), { runId: 'run-2' });
      await journal.append('a', before.slice(2, 4));
      expect((await journal.read('a')).map(({ runId }) => runId)).toEqual(['run-1', 'run-1', 'run-2', undefined]);
    });

    it('is named by the conflict that another run meets', async () => {
      const { journal } = await engine.newJournal();
      const { before, after } = resetLife('a', 2);
      await journal.append('a', before, { runId: 'run-1' });
      const conflict: unknown = await journal.append('a', after, { runId: 'run-2' }).catch((error: unknown) => error);
      expect(conflict).toBeInstanceOf(JournalConflict);
      expect(conflict).toMatchObject({ seq: 3, stored: { type: 'InstanceCreated', runId: 'run-1' } });
      expect(String(conflict)).toContain('run-1');
      expect(await eventsOf(journal, 'a')).toEqual(before);
    });

    it('that is over by a later run’s events is refused, also for numbers that nobody has written', async () => {
      const { journal, url } = await engine.newJournal();
      const events = stamp(SHAPES.terminated?.('a', west) ?? []);
      await journal.append('a', events.slice(0, 3), { runId: 'run-1' });
      await journal.append('a', events.slice(3, 5), { runId: 'run-2' }); // continued as new
      const late = (await engine.open(url)).append('a', events.slice(4, 7), { runId: 'run-1' });
      await expect(late).rejects.toThrow(JournalStaleRun);
      await expect(late).rejects.toMatchObject({ kind: 'stale', runId: 'run-1', currentRunId: 'run-2' });
      expect(await journal.append('a', events.slice(0, 2), { runId: 'run-1' })).toMatchObject({ appended: 0 });
      const together = await Promise.allSettled([
        journal.append('a', events.slice(5, 6), { runId: 'run-3' }),
        journal.append('a', events.slice(6, 7), { runId: 'run-4' }),
        journal.append('a', events.slice(7, 8), { runId: 'run-3' }),
      ]);
      expect(together.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
      expect(await journal.head()).toBe(7);
    });

    it('is unknown for what was stored before runs were, and its events still cannot be changed', async () => {
      const url = await engine.newUrl();
      const [first = []] = migrations(engine.name === 'SQLite' ? 'sqlite' : 'postgres');
      await engine.query(url, sql`create table journal_meta (key text not null primary key, value text not null)`);
      for (const statement of first) await engine.query(url, sql.raw(statement));
      await engine.query(url, sql`insert into journal_meta values ('schema_version', '1')`);
      const { before, after } = resetLife('a', 2);
      for (const { seq, type, at, ...data } of before) {
        await engine.query(
          url,
          sql`insert into journal_event (position, ref_id, seq, type, at, schema_version, data, recorded_at)
            values (${seq}, 'a', ${seq}, ${type}, ${at}, 1, ${JSON.stringify(data)}, ${at})`,
        );
      }
      expect(await migrateJournal(url)).toEqual({ from: 1, to: 2 });
      const journal = await engine.open(url);
      expect((await journal.read('a')).map(({ event, runId, revision }) => [event, runId, revision])).toEqual(
        before.map((event) => [event, undefined, 0]),
      );
      expect((await journal.verify()).differences).toEqual([]);
      await expect(engine.query(url, sql`delete from journal_event`)).rejects.toThrow('append-only');
      await expect(engine.query(url, sql`update journal_event set run_id = 'x'`)).rejects.toThrow('append-only');
      expect(await journal.supersede('a', after, reset)).toMatchObject({ superseded: 4 });
    });
  });

  describe('supersede', () => {
    it('puts the stored events aside from the first that differs, for good, and appends the new ones', async () => {
      const { journal, url } = await engine.newJournal();
      const { before, after } = resetLife('a', 2);
      await journal.append('a', before, { runId: 'run-1' });
      await journal.append('b', stamp(SHAPES.ready?.('b', west) ?? []));
      expect(await journal.supersede('a', after, reset)).toEqual({ appended: 3, seq: 5, position: 15, superseded: 4 });

      const entries = await journal.read('a');
      expect(entries.map(({ event }) => event)).toEqual(after);
      expect(entries.map(({ position }) => position)).toEqual([1, 2, 13, 14, 15]);
      expect(entries.map(({ supersedes }) => supersedes)).toEqual([undefined, undefined, true, undefined, undefined]);
      expect(entries.map(({ revision }) => revision)).toEqual([0, 0, 1, 1, 1]);

      const aside = await journal.superseded('a');
      expect(aside.map(({ event }) => event)).toEqual(before.slice(2));
      expect(aside.map(({ position, runId }) => [position, runId])).toEqual([3, 4, 5, 6].map((one) => [one, 'run-1']));
      for (const one of aside) expect(one).toMatchObject({ supersededBy: 'run-2', reason: 'workflow reset' });
      expect(aside[0]?.supersededAt).toBe(entries[2]?.recordedAt);
      expect(await journal.superseded('b')).toEqual([]);

      for (const statement of [
        sql`delete from journal_superseded`,
        sql`update journal_superseded set reason = ''`,
        sql`delete from journal_event where position > 12`,
      ]) {
        await expect(engine.query(url, statement)).rejects.toThrow(/append-only|kept/);
      }
    });

    it('rebuilds the instance’s rows, so that nothing of what was put aside is left in them', async () => {
      const { journal, url } = await engine.newJournal();
      const before = stamp(SHAPES.lostAndFound?.('a', west) ?? []);
      const absent: InstanceFact = { type: 'CreateConfirmedAbsent', attempt: 1, evidence: 'after the reset' };
      const after = [...before.slice(0, 3), { ...absent, seq: 4, at: LATER }];
      await journal.append('a', before, { runId: 'run-1' });
      expect((await journal.usage()).length).toBeGreaterThan(0);
      await journal.supersede('a', after, reset);
      const [instance] = (await journal.instances()).rows;
      expect(instance).toMatchObject({ refId: 'a', seq: 4, phase: 'placing' });
      expect(instance).not.toHaveProperty('cloudId');
      expect((await journal.attempts()).rows).toMatchObject([{ attempt: 1, evidence: 'after the reset' }]);
      expect(await journal.usage()).toEqual([]);
      expect((await journal.verify()).differences).toEqual([]);
      const models = await dumpModels(engine, url);
      await journal.rebuild();
      expect(await dumpModels(engine, url)).toBe(models);
      const { journal: fresh, url: other } = await engine.newJournal();
      await fresh.append('a', after);
      expect(await dumpModels(engine, other)).toBe(models);
    });

    it('changes nothing when it is repeated, in part, in whole, or after more was appended', async () => {
      const { journal, url } = await engine.newJournal();
      const { before, after } = resetLife('a', 2);
      await journal.append('a', before, { runId: 'run-1' });
      await journal.supersede('a', after.slice(0, 4), reset);
      const other = await engine.open(url);
      expect(await other.supersede('a', after.slice(2, 4), reset)).toMatchObject({ appended: 0, superseded: 0 });
      await other.append('a', after.slice(4), { runId: 'run-2' });
      expect(await journal.supersede('a', after.slice(0, 4), reset)).toMatchObject({ appended: 0, position: 8 });
      expect(await journal.append('a', after, { runId: 'run-2' })).toMatchObject({ appended: 0, seq: 5 });
      expect(await eventsOf(journal, 'a')).toEqual(after);
      expect(await journal.superseded('a')).toHaveLength(4);
    });

    it('is an append where nothing differs, and a gap where events are missing', async () => {
      const { journal } = await engine.newJournal();
      const { before } = resetLife('a', 2);
      expect(await journal.supersede('a', before.slice(0, 3), reset)).toMatchObject({ appended: 3, superseded: 0 });
      expect(await journal.supersede('a', before.slice(2, 4), reset)).toMatchObject({ appended: 1, superseded: 0 });
      await expect(journal.supersede('a', before.slice(5), reset)).rejects.toThrow(JournalGap);
      expect((await journal.read('a')).map(({ supersedes }) => supersedes)).toEqual([
        undefined,
        undefined,
        undefined,
        undefined,
      ]);
    });

    it('is refused to a run that was itself superseded, and to one that contradicts itself', async () => {
      const { journal, url } = await engine.newJournal();
      const { before, after } = resetLife('a', 2);
      await journal.append('a', before, { runId: 'run-1' });
      await journal.supersede('a', after, reset);
      const late = (await engine.open(url)).supersede('a', before, { runId: 'run-1', reason: 'late' });
      await expect(late).rejects.toThrow(JournalStaleRun);
      await expect(journal.append('a', before.slice(5), { runId: 'run-1' })).rejects.toThrow(JournalStaleRun);
      const other = stamp([requested('a'), attempted(), refused()], LATER).slice(2);
      await expect(journal.supersede('a', other, reset)).rejects.toThrow(JournalConflict);
      expect(await eventsOf(journal, 'a')).toEqual(after);
      expect((await journal.verify()).differences).toEqual([]);
    });

    it('asks for a run and a reason', async () => {
      const { journal } = await engine.newJournal();
      const { before } = resetLife('a', 2);
      await expect(journal.supersede('a', before, { ...reset, runId: '' })).rejects.toThrow(JournalInvalid);
      await expect(journal.supersede('a', before, { ...reset, reason: ' ' })).rejects.toThrow(JournalInvalid);
    });

    it('is seen by what another process knows of the instance, also when both lives are equally long', async () => {
      const { journal, url } = await engine.newJournal();
      const other = await engine.open(url);
      const { before, after } = resetLife('a', 2);
      await other.append('a', before.slice(0, 5), { runId: 'run-1' });
      await journal.supersede('a', after, reset);
      await other.append('a', [{ ...ready(), seq: 6, at: LATER }], { runId: 'run-2' });
      expect((await journal.verify()).differences).toEqual([]);
      expect((await journal.attempts()).rows[0]?.evidence).toBe('adopted as m-a');
    });

    it('tells followers the new events at new positions; who is behind never hears of the old ones', async () => {
      const { journal } = await engine.newJournal();
      const { before, after } = resetLife('a', 2);
      await journal.append('a', before, { runId: 'run-1' });
      const seen: JournalEntry[] = [];
      for await (const entry of journal.follow({ pollMs: 3_600_000 })) {
        seen.push(entry);
        if (entry.position === 6) await journal.supersede('a', after, reset);
        if (entry.position === 9) break;
      }
      expect(seen.map(({ position }) => position)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect(told(seen)).toEqual(after);
      const behind = await journal.readAll({ after: 1 });
      expect(behind.map(({ position }) => position)).toEqual([2, 7, 8, 9]);
      expect(await journal.readAll({ after: 4, limit: 1 })).toMatchObject([{ position: 7, supersedes: true }]);
    });

    it('ends what webhooks still wanted to deliver of the old ones', async () => {
      const { journal } = await engine.newJournal();
      const { before, after } = resetLife('a', 2);
      await journal.append('a', before.slice(0, 4), { runId: 'run-1' });
      const receiver = await startReceiver(({ id }) => (id === 'a/3' ? 503 : 204));
      const sink = startWebhooks(journal, {
        endpoints: [{ id: 'main', url: receiver.url, secrets: [SECRET], from: 'start' }],
        pollMs: 5,
        retries: { firstMs: 5, maxMs: 20, tries: 1_000 },
      });
      try {
        await expect.poll(() => journal.webhooks.cursors()).toMatchObject([{ retrying: 2 }]);
        await journal.supersede('a', after.slice(0, 4), reset);
        await expect.poll(() => journal.webhooks.cursors()).toMatchObject([{ position: 6, retrying: 0, dead: 0 }]);
        const ids = receiver.received.map(({ id }) => id);
        expect(new Set(ids)).toEqual(new Set(['a/1', 'a/2', 'a/3', 'a/3~1', 'a/4~1']));
      } finally {
        await sink.close();
        await receiver.close();
      }
    });
  });

  it('agrees with a model of it, whatever runs write, reset, repeat and come late, from two processes', async () => {
    const { journal, url } = await engine.newJournal();
    const processes = [journal, await engine.open(url)];
    const lives = new Map<string, Story>();
    const step = fc.record({
      who: fc.nat(1),
      what: fc.constantFrom('write', 'write', 'reset', 'repeat', 'late', 'lateSupersede'),
      chance: fc.array(fc.nat(1_000), { minLength: 1, maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
        const story = new Story(`i-${lives.size}`);
        lives.set(story.refId, story);
        for (const { who, what, chance } of steps) await story[what](processes[who] as Journal, chance);
        const entries = await journal.read(story.refId);
        expect(entries.map(({ event, runId }) => ({ event, runId }))).toEqual(
          story.known.map(({ event, runId }) => ({ event, runId })),
        );
        expect((await journal.superseded(story.refId)).map(({ event, runId }) => ({ event, runId }))).toEqual(
          story.aside.toSorted((a, b) => a.order - b.order).map(({ event, runId }) => ({ event, runId })),
        );
        story.seen.push(...(await journal.readAll({ after: story.seenTo, limit: 10_000 })));
        expect(told(story.seen.filter(({ refId }) => refId === story.refId))).toEqual(
          story.known.map(({ event }) => event),
        );
      }),
      { numRuns: engine.name === 'SQLite' ? 120 : 60 },
    );
    const all = [...lives.values()];
    expect(all.filter(({ aside }) => aside.length > 0).length).toBeGreaterThan(10);
    expect((await journal.verify()).differences).toEqual([]);
    const models = await dumpModels(engine, url);
    expect(await journal.rebuild()).toMatchObject({
      events: all.reduce((sum, { known }) => sum + known.length, 0),
    });
    expect(await dumpModels(engine, url)).toBe(models);
    const { journal: fresh, url: other } = await engine.newJournal();
    for (const { refId, known } of all)
      await fresh.append(
        refId,
        known.map(({ event }) => event),
      );
    expect(await dumpModels(engine, other)).toBe(models);
  }, 120_000);
});

/** What a follower knows in the end that forgets where it is told to. */
function told(entries: readonly JournalEntry[]): InstanceEvent[] {
  const events: InstanceEvent[] = [];
  for (const { event, supersedes } of entries) {
    if (supersedes) events.length = Math.min(events.length, event.seq - 1);
    events.push(event);
  }
  return events;
}

interface Written {
  event: InstanceEvent;
  runId: string;
  /** When it was stored, among the others. */
  order: number;
}

/** What the journal must say of one instance: written here with arrays, by the book. */
class Story {
  known: Written[] = [];
  aside: Written[] = [];
  /** A follower's view, looked up now and then. */
  readonly seen: JournalEntry[] = [];
  private run = 1;
  private orders = 0;
  private clock = toEpochMs(BEGIN);
  private last: ((journal: Journal) => Promise<unknown>) | undefined;

  constructor(readonly refId: string) {}

  get seenTo(): number {
    return this.seen.at(-1)?.position ?? 0;
  }

  async write(journal: Journal, chance: number[]): Promise<void> {
    const events = this.invent(this.known, chance);
    const runId = `run-${this.run}`;
    const from = Math.max(0, this.known.length - ((chance[0] ?? 0) % 3));
    const call = [...this.known.slice(from).map(({ event }) => event), ...events];
    this.last = (any) => any.append(this.refId, call, { runId });
    await this.last(journal);
    this.known = [...this.known, ...events.map((event) => this.stored(event, runId))];
    if ((chance[0] ?? 0) % 4 === 0) this.seen.push(...(await journal.readAll({ after: this.seenTo, limit: 10_000 })));
  }

  /** The next run goes on from a point of the past; what it writes first differs, for its time does. */
  async reset(journal: Journal, chance: number[]): Promise<void> {
    const kept = this.known.slice(0, (chance[0] ?? 0) % (this.known.length + 1));
    const events = this.invent(kept, chance);
    if (events.length === 0) return;
    this.run += 1;
    const runId = `run-${this.run}`;
    const call = [...kept.map(({ event }) => event), ...events];
    if (kept.length < this.known.length) {
      await expect(journal.append(this.refId, call, { runId })).rejects.toMatchObject({
        kind: 'conflict',
        seq: kept.length + 1,
        stored: { runId: this.known[kept.length]?.runId },
      });
    }
    this.last = (any) => any.supersede(this.refId, call, { runId, reason: 'reset' });
    await this.last(journal);
    this.aside = [...this.aside, ...this.known.slice(kept.length)];
    this.known = [...kept, ...events.map((event) => this.stored(event, runId))];
  }

  async repeat(journal: Journal): Promise<void> {
    await this.last?.(journal);
  }

  /** An activity of a run that wrote once, and is over. */
  async late(journal: Journal, chance: number[]): Promise<void> {
    const [event] = this.invent(this.known, chance);
    const runId = this.bygone();
    if (event && runId) await expect(journal.append(this.refId, [event], { runId })).rejects.toThrow(JournalStaleRun);
  }

  async lateSupersede(journal: Journal, chance: number[]): Promise<void> {
    const kept = this.known.slice(0, (chance[0] ?? 0) % (this.known.length + 1));
    const events = this.invent(kept, chance);
    const runId = this.bygone();
    if (events.length === 0 || !runId) return;
    const late = { runId, reason: 'too late' };
    await expect(journal.supersede(this.refId, events, late)).rejects.toThrow(JournalStaleRun);
  }

  private stored(event: InstanceEvent, runId: string): Written {
    this.orders += 1;
    return { event, runId, order: this.orders };
  }

  private bygone(): string | undefined {
    const now = this.known.at(-1)?.runId;
    return [...this.aside, ...this.known].map(({ runId }) => runId).find((runId) => runId !== now);
  }

  /** One or more events that go on from there and fold; none after the end. */
  private invent(kept: readonly Written[], chance: readonly number[]): InstanceEvent[] {
    const events = kept.map(({ event }) => event);
    for (const one of chance) {
      const attempt = events.findLast((event) => event.type === 'CreateAttempted')?.attempt ?? 0;
      const fits = choices(this.refId, attempt, events.length === 0)
        .map((fact): InstanceEvent => ({ ...fact, seq: events.length + 1, at: toIsoTime(this.clock) }))
        .filter((event) => foldLife([...events, event])?.fault === undefined);
      const chosen = fits[one % fits.length];
      if (!chosen) break;
      this.clock += 1_000;
      events.push(chosen);
    }
    return events.slice(kept.length);
  }
}

function choices(refId: string, attempt: number, isNew: boolean): InstanceFact[] {
  if (isNew) return [requested(refId)];
  const machine = `m-${refId}-${attempt}`;
  return [
    attempted(attempt + 1, attempt % 2 ? east : west),
    refused(attempt),
    created({ attempt, offer: attempt % 2 ? west : east, cloudId: machine }),
    running(),
    firewalled(),
    ready(),
    { type: 'MachineFailed', failure: failure('InstanceFailed') },
    { type: 'StrayFound', cloudId: `stray-${refId}-${attempt}`, offer: west },
    parked(),
    terminateRequested(),
    began(machine),
    terminated(),
  ];
}
