import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import { toEpochMs, toIsoTime } from '../../src/domain/ids.js';
import type { InstanceEvent } from '../../src/domain/instance/index.js';
import {
  INSTANCE_ORDERS,
  type InstanceFilter,
  type InstanceRow,
  type Journal,
  JournalInvalid,
} from '../../src/journal/index.js';
import { dumpModels, onBothEngines } from './support/engines.js';
import { LIVES } from './support/every-event.js';
import {
  attempted,
  BEGIN,
  created,
  east,
  failure,
  firewalled,
  proof,
  random,
  ready,
  refused,
  requested,
  running,
  SHAPES,
  stamp,
  west,
  zoned,
} from './support/lives.js';

/** Lives of every shape, told apart by time, each a bit later than the one before. */
function lives(count: number): Map<string, InstanceEvent[]> {
  const shapes = Object.values(SHAPES);
  const offers = [west, east, zoned];
  const made = Array.from({ length: count }, (_, index): [string, InstanceEvent[]] => {
    const refId = `i-${(index * 7919) % count}`;
    const facts = shapes[index % shapes.length]?.(refId, offers[index % offers.length] ?? west) ?? [];
    // Some share their times: ties are what paging by key must get right.
    const begin = toIsoTime(toEpochMs(BEGIN) + Math.floor(index / 3) * 60_000);
    return [refId, stamp(facts, begin, 1_000 + (index % 5) * 700)];
  });
  return new Map(made);
}

/** Appends them in pieces, interleaved as if by chance, some twice. */
async function appendAll(journal: Journal, all: Map<string, InstanceEvent[]>, seed = 1): Promise<void> {
  const chance = random(seed);
  const left = new Map(all);
  while (left.size > 0) {
    const calls: Promise<unknown>[] = [];
    for (const [refId, events] of left) {
      if (chance() < 0.3) continue;
      const size = 1 + Math.floor(chance() * 4);
      calls.push(journal.append(refId, events.slice(0, size)));
      if (chance() < 0.2) calls.push(journal.append(refId, events.slice(0, size)));
      if (events.length > size) left.set(refId, events.slice(size));
      else left.delete(refId);
    }
    await Promise.all(calls);
  }
}

onBothEngines((engine) => {
  describe('read models', () => {
    it('are the same, byte for byte, after a rebuild from zero, whatever was in them', async () => {
      const { journal, url } = await engine.newJournal();
      await appendAll(journal, lives(60));
      const before = await dumpModels(engine, url);
      expect(before.split('\n').length).toBeGreaterThan(150);
      expect(await journal.verify()).toMatchObject({ instances: 60, differences: [] });

      await journal.rebuild();
      expect(await dumpModels(engine, url)).toBe(before);

      await engine.query(url, sql`delete from journal_machine`);
      await engine.query(url, sql`delete from journal_attempt where attempt = 1`);
      await engine.query(url, sql`update journal_instance set phase = 'ready', seq = 99 where ref_id > 'i-3'`);
      await engine.query(url, sql`update journal_instance set ref_id = 'zz-nobody' where ref_id = 'i-0'`);
      expect(await journal.rebuild()).toEqual({ instances: 60, events: await journal.head() });
      expect(await dumpModels(engine, url)).toBe(before);
    });

    it('do not depend on how the events came', async () => {
      const first = await engine.newJournal();
      const second = await engine.newJournal();
      await appendAll(first.journal, lives(24), 1);
      for (const [refId, events] of lives(24)) await second.journal.append(refId, events);
      expect(await dumpModels(engine, second.url)).toBe(await dumpModels(engine, first.url));
    });

    it('can be rebuilt while events arrive', async () => {
      const { journal, url } = await engine.newJournal();
      const all = lives(48);
      await Promise.all([
        appendAll(journal, all),
        journal.rebuild(),
        (await engine.open(url)).rebuild(),
        journal.rebuild(),
      ]);
      expect((await journal.verify()).differences).toEqual([]);
    });

    it('are compared with the events by verify, which names what differs', async () => {
      const { journal, url } = await engine.newJournal();
      await appendAll(journal, lives(12));
      await engine.query(url, sql`update journal_instance set phase = 'stopped', debts = 7 where ref_id = 'i-0'`);
      await engine.query(url, sql`update journal_attempt set kind = 'NotYet' where ref_id = 'i-1'`);
      await engine.query(url, sql`delete from journal_machine where ref_id = 'i-0'`);
      await engine.query(
        url,
        sql`insert into journal_instance select 'nobody', name, phase, lifecycle_status, desired, provider, offer_id,
        cloud_cred_ref_id, location, sub_location, instance_type, cloud_id, price_amount, price_currency, failure_kind, failure_message,
        debts, since, created_at, updated_at, ready_at, terminated_at, seq, fault from journal_instance where ref_id = 'i-2'`,
      );
      const { differences } = await journal.verify();
      expect(differences).toEqual([
        { refId: 'i-0', model: 'instance', what: ['debts', 'phase'] },
        { refId: 'i-0', model: 'machines', what: ['[0]'] },
        { refId: 'i-1', model: 'attempts', what: ['[0].kind'] },
        { refId: 'nobody', model: 'instance', what: [''] },
      ]);
    });
  });

  describe('instances', () => {
    let filled: string | undefined;
    /** Forty instances of every shape, stored once for the tests that only read. */
    const shared = async (): Promise<Journal> => {
      if (filled !== undefined) return await engine.open(filled);
      const { journal, url } = await engine.newJournal();
      await appendAll(journal, lives(40));
      filled = url;
      return journal;
    };

    it('say where each stands', async () => {
      const { journal } = await engine.newJournal();
      const facts = SHAPES.terminated?.('a', zoned) ?? [];
      await journal.append('a', stamp(facts));
      expect((await journal.instances()).rows).toEqual([
        {
          refId: 'a',
          name: 'name-a',
          phase: 'terminated',
          lifecycleStatus: 'terminated',
          desired: 'terminated',
          provider: 'sim',
          cloudCredRefId: 'sim-other',
          location: 'eu',
          subLocation: 'a',
          instanceType: 'gpu_8x_h100',
          offerId: 'sim-other/eu:a/gpu_8x_h100',
          cloudId: 'm-a',
          pricePerHour: { amount: '1.29', currency: 'USD' },
          debts: 0,
          since: '2026-03-01T12:00:08.000Z',
          createdAt: '2026-03-01T12:00:00.000Z',
          updatedAt: '2026-03-01T12:00:08.000Z',
          readyAt: '2026-03-01T12:00:05.000Z',
          terminatedAt: '2026-03-01T12:00:08.000Z',
          seq: 9,
        },
      ]);
    });

    it('can be paged in every order and direction, without a double or a gap', async () => {
      const journal = await shared();
      const everyone = (await journal.instances({ limit: 1_000 })).rows;
      for (const orderBy of INSTANCE_ORDERS) {
        for (const direction of ['asc', 'desc'] as const) {
          const paged: InstanceRow[] = [];
          for (let after: string | undefined; ; ) {
            const page = await journal.instances({
              orderBy,
              direction,
              limit: 7,
              ...(after !== undefined && { after }),
            });
            paged.push(...page.rows);
            after = page.next;
            if (after === undefined) break;
          }
          expect(paged.map(({ refId }) => refId)).toEqual(
            sorted(everyone, orderBy, direction).map(({ refId }) => refId),
          );
        }
      }
    });

    it.each<[string, InstanceFilter, (row: InstanceRow) => boolean]>([
      ['a phase', { phase: 'parked' }, (row) => row.phase === 'parked'],
      ['one of several phases', { phase: ['parked', 'ready'] }, (row) => ['parked', 'ready'].includes(row.phase)],
      ['open', { open: true }, (row) => row.phase !== 'terminated'],
      ['over', { open: false }, (row) => row.phase === 'terminated'],
      ['with a debt', { debt: true }, (row) => row.debts > 0],
      ['failed', { failed: true }, (row) => row.failureKind !== undefined],
      ['a kind of failure', { failureKind: 'OutOfQuota' }, (row) => row.failureKind === 'OutOfQuota'],
      ['an offer', { offerId: 'sim-main/us-east-1/gpu_1x_a10' }, (row) => row.location === 'us-east-1'],
      ['a beginning of the name', { namePrefix: 'name-i-1' }, (row) => row.name.startsWith('name-i-1')],
      [
        'a time',
        { created: { from: '2026-03-01T12:02:00.000Z', to: '2026-03-01T12:05:00.000Z' } },
        (row) => row.createdAt >= '2026-03-01T12:02:00.000Z' && row.createdAt < '2026-03-01T12:05:00.000Z',
      ],
      [
        'never terminated is not terminated early',
        { terminated: { to: '2027-01-01T00:00:00.000Z' } },
        (row) => !!row.terminatedAt,
      ],
      [
        'all at once',
        { phase: 'ready', provider: 'sim', cloudCredRefId: 'sim-other' },
        (row) => row.phase === 'ready' && row.cloudCredRefId === 'sim-other',
      ],
    ])('can be filtered by %s', async (_name, filter, fits) => {
      const journal = await shared();
      const everyone = (await journal.instances({ limit: 1_000 })).rows;
      const expected = everyone.filter(fits);
      expect(expected.length).toBeGreaterThan(0);
      expect(expected.length).toBeLessThan(everyone.length);
      expect((await journal.instances({ ...filter, limit: 1_000 })).rows).toEqual(expected);
      expect(await journal.countInstances(filter)).toBe(expected.length);
    });

    it('refuse a cursor of another order, and a page of no size', async () => {
      const journal = await shared();
      const { next = '' } = await journal.instances({ limit: 2 });
      await expect(journal.instances({ orderBy: 'name', after: next })).rejects.toThrow(JournalInvalid);
      await expect(journal.instances({ after: 'nonsense' })).rejects.toThrow(JournalInvalid);
      await expect(journal.instances({ limit: 0 })).rejects.toThrow(JournalInvalid);
      await expect(journal.instances({ orderBy: 'data; drop table journal_event' as 'name' })).rejects.toThrow(
        JournalInvalid,
      );
    });
  });

  describe('attempts, refusals, boot times and usage', () => {
    it('tell each attempt’s outcome, kind, evidence and how long it took', async () => {
      const { journal } = await engine.newJournal();
      await journal.append('a', stamp(SHAPES.refusedThenReady?.('a', west) ?? []));
      await journal.append('b', stamp(SHAPES.lostAndFound?.('b', west) ?? [], '2026-03-01T12:10:00.000Z'));
      await journal.append('c', stamp(SHAPES.discarded?.('c', west) ?? [], '2026-03-01T12:20:00.000Z'));
      const { rows } = await journal.attempts();
      expect(rows.map(({ refId, attempt, outcome, kind, tookMs }) => [refId, attempt, outcome, kind, tookMs])).toEqual([
        ['c', 1, 'failed', 'InstanceFailed', 2_000],
        ['b', 2, 'created', undefined, 1_000],
        ['b', 1, 'absent', 'UnknownOutcome', 2_000],
        ['a', 2, 'created', undefined, 1_000],
        ['a', 1, 'refused', 'InsufficientResources', 1_000],
      ]);
      expect(rows.at(-1)?.evidence).toBe('InsufficientResources at the provider (no-stock), request req-7');
      expect(rows[1]).toMatchObject({ evidence: 'adopted as m-b', cloudId: 'm-b', offer: zoned });
      const first = await journal.attempts({ limit: 2 });
      const rest = await journal.attempts({ limit: 9, after: first.next ?? '' });
      expect([...first.rows, ...rest.rows]).toEqual(rows);
      expect(
        (await journal.attempts({ outcome: 'refused', offerId: 'sim-main/us-west-1/gpu_1x_a10' })).rows,
      ).toHaveLength(1);
    });

    it('tell of a create that a person released: by whom, and why', async () => {
      const { journal } = await engine.newJournal();
      await journal.append('v-released', stamp(LIVES['v-released'] ?? []));
      const { rows } = await journal.attempts({ outcome: 'absent' });
      expect(rows).toMatchObject([
        { attempt: 1, kind: 'UnknownOutcome', evidence: 'released by ann: none in the console' },
      ]);
    });

    it('count refusals by offer and keep the last; a remembered one is not the provider’s', async () => {
      const { journal } = await engine.newJournal();
      const quota = refused(2, 'OutOfQuota');
      await journal.append('a', stamp([requested('a'), attempted(), refused(), attempted(2), quota]));
      const remembered = failure('InsufficientResources', { isRemembered: true });
      await journal.append(
        'b',
        stamp(
          [
            requested('b'),
            attempted(),
            { type: 'CapacityRefused', attempt: 1, failure: remembered },
            attempted(2, east),
            refused(2),
          ],
          '2026-03-01T13:00:00.000Z',
        ),
      );
      expect(await journal.refusals()).toEqual([
        {
          offerId: 'sim-main/us-east-1/gpu_1x_a10',
          count: 1,
          last: {
            kind: 'InsufficientResources',
            at: '2026-03-01T13:00:04.000Z',
            refId: 'b',
            evidence: expect.any(String),
          },
        },
        {
          offerId: 'sim-main/us-west-1/gpu_1x_a10',
          count: 2,
          last: {
            kind: 'OutOfQuota',
            at: '2026-03-01T12:00:04.000Z',
            refId: 'a',
            evidence: 'OutOfQuota at the provider',
          },
        },
      ]);
      expect(await journal.refusals({ since: '2026-03-01T12:30:00.000Z' })).toHaveLength(1);
    });

    it('give percentiles of boot times that were measured, without adopted machines', async () => {
      const { journal } = await engine.newJournal();
      const times = Array.from({ length: 101 }, (_, index) => ((index * 37) % 101) * 1_000 + 1_000);
      await Promise.all(
        times.map((ms, index) => {
          const facts = [
            requested(`i-${index}`),
            attempted(),
            created({ cloudId: `m-${index}` }),
            running(),
            firewalled(),
            ready(),
          ];
          const events = stamp(facts).map((event) => {
            const offset = event.seq < 4 ? 0 : event.seq === 4 ? ms : 2 * ms;
            return { ...event, at: toIsoTime(toEpochMs(BEGIN) + offset) };
          });
          return journal.append(`i-${index}`, events);
        }),
      );
      await journal.append('b', stamp(SHAPES.lostAndFound?.('b', east) ?? []));
      expect(await journal.bootTimes()).toEqual([
        {
          offerId: 'sim-main/us-west-1/gpu_1x_a10',
          running: { count: 101, p50: 51_000, p99: 100_000 },
          ready: { count: 101, p50: 102_000, p99: 200_000 },
        },
      ]);
      expect(await journal.bootTimes({ offerId: 'other' })).toEqual([]);
    });

    it('add up machine-hours and cost to the last millionth, with what is not known beside it', async () => {
      const { journal } = await engine.newJournal();
      const now = '2026-03-01T14:00:02.000Z';
      await journal.append('a', stamp(SHAPES.terminated?.('a', west) ?? []));
      await journal.append('b', stamp(SHAPES.refusedThenReady?.('b', west) ?? []));
      await journal.append('c', stamp(SHAPES.lostAndFound?.('c', west) ?? []));
      const [a, b, c] = await journal.usage({ now });
      // From 12:00:02 to 13:00:00 at 1.29 USD an hour: 3598 s.
      expect(a).toEqual({
        key: 'a',
        machines: 1,
        machineMs: 3_598_000,
        machineHours: 0.999444,
        cost: [{ amount: '1.289283', currency: 'USD' }],
        unpricedMs: 0,
      });
      // Since 12:00:04: 7198 s at 0.000123 EUR an hour is 0.0002459 EUR.
      expect(b).toMatchObject({ machineMs: 7_198_000, cost: [{ amount: '0.000246', currency: 'EUR' }] });
      // Its own machine has no price; the stray ran from 12:00:06 to 12:30:00 at 2 USD an hour.
      expect(c).toMatchObject({ machines: 2, unpricedMs: 7_197_000, cost: [{ amount: '0.996667', currency: 'USD' }] });
      const hour = { from: '2026-03-01T12:30:00.000Z', to: '2026-03-01T13:30:00.000Z', now };
      expect((await journal.usage({ ...hour, by: 'provider' })).map(({ key, machineMs }) => [key, machineMs])).toEqual([
        ['sim', 1_800_000 + 3_600_000 + 3_600_000],
      ]);
    });

    it('let a machine bill until it is proved gone, however often it was asked to go', async () => {
      const { journal } = await engine.newJournal();
      const facts = SHAPES.discarded?.('a', west) ?? [];
      await journal.append('a', stamp(facts));
      const now = '2026-03-01T13:00:02.000Z';
      expect(await journal.usage({ now })).toMatchObject([{ machineMs: 3_600_000 }]);
      expect((await journal.instances({ debt: true })).rows).toMatchObject([{ refId: 'a', debts: 1 }]);
      const gone = proof('2026-03-01T12:30:02.000Z');
      const closed = stamp([
        ...facts,
        { type: 'CleanupDebtClosed', cloudId: 'm-a', proof: gone },
        { type: 'MachineDiscarded', cloudId: 'm-a', proof: { ...gone, at: '2026-03-01T12:40:00.000Z' } },
      ]);
      await journal.append('a', closed.slice(5));
      expect(await journal.usage({ now })).toMatchObject([{ machineMs: 1_800_000, cost: [{ amount: '0.645' }] }]);
    });
  });
});

function sorted(rows: readonly InstanceRow[], by: (typeof INSTANCE_ORDERS)[number], direction: 'asc' | 'desc') {
  const sign = direction === 'asc' ? 1 : -1;
  const compare = (a: string | number, b: string | number) => (a < b ? -1 : a > b ? 1 : 0);
  return rows.toSorted((a, b) => sign * (compare(a[by] ?? '', b[by] ?? '') || compare(a.refId, b.refId)));
}
