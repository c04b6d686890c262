import { describe, expect, it } from 'vitest';
import { fold, type InstanceEvent } from '../../src/domain/instance/index.js';
import { type Journal, JournalGap } from '../../src/journal/index.js';
import { dumpModels, onBothEngines } from './support/engines.js';
import { SHAPES, stamp, west } from './support/lives.js';

const whole = stamp(SHAPES.terminated?.('a', west) ?? []);
/** The same life, whose facts before number `at` are lost from `from` on: it goes on where they had led. */
function lostBefore(at: number, from: number): InstanceEvent[] {
  const state = fold(whole.slice(0, at - 1));
  const lost: InstanceEvent = { type: 'FactsLost', from, state, seq: at, at: whole[at - 2]?.at ?? '' };
  return [lost, ...whole.slice(at - 1).map((event) => ({ ...event, seq: event.seq + 1 }))];
}
const eventsOf = async (journal: Journal) => (await journal.read('a')).map(({ event }) => event);

onBothEngines((engine) => {
  describe('a life whose first facts are lost', () => {
    it('is told from there on, and known as the state says', async () => {
      const { journal, url } = await engine.newJournal();
      const rest = lostBefore(7, 1);
      await expect(journal.append('a', rest.slice(1))).rejects.toThrow(JournalGap);
      expect(await journal.append('a', rest.slice(0, 1))).toMatchObject({ appended: 1, seq: 7 });
      const [row] = (await journal.instances()).rows;
      expect(row).toMatchObject({ refId: 'a', phase: 'ready', cloudId: 'm-a' });
      expect((await journal.attempts()).rows).toMatchObject([{ attempt: 1, outcome: 'created' }]);

      const other = await engine.open(url); // which has not folded what came before
      await other.append('a', rest.slice(1));
      expect(await eventsOf(journal)).toEqual(rest);
      expect(await journal.stateOf('a')).toMatchObject({ phase: 'terminated', seq: 10 });
      expect(await journal.usage()).toMatchObject([{ machines: 1 }]);
      expect(await journal.verify()).toMatchObject({ differences: [] });
      const models = await dumpModels(engine, url);
      await journal.rebuild();
      expect(await dumpModels(engine, url)).toBe(models);
    });
  });

  describe('a life whose facts in the middle are lost', () => {
    it('is told on both sides of the hole; what comes late from within it is passed over', async () => {
      const { journal } = await engine.newJournal();
      const rest = lostBefore(7, 3);
      await journal.append('a', whole.slice(0, 2));
      await journal.append('a', rest.slice(0, 2));
      await journal.append('a', whole.slice(3, 5));
      await journal.append('a', rest.slice(2));
      expect(await eventsOf(journal)).toEqual([...whole.slice(0, 2), ...rest]);
      expect((await journal.instances()).rows).toMatchObject([{ phase: 'terminated' }]);
      expect(await journal.verify()).toMatchObject({ differences: [] });
    });

    it('is superseded by a reset run from any fact on', async () => {
      const { journal } = await engine.newJournal();
      const rest = lostBefore(7, 3);
      await journal.append('a', [...whole.slice(0, 2)], { runId: 'run-1' });
      await journal.append('a', rest, { runId: 'run-1' });
      const anew = rest.slice(1, 3).map((event) => ({ ...event, at: '2026-03-05T00:00:00.000Z' }));
      const done = await journal.supersede('a', anew, { runId: 'run-2', reason: 'reset' });
      expect(done).toMatchObject({ appended: 2, superseded: 3, seq: 9 });
      expect(await eventsOf(journal)).toEqual([...whole.slice(0, 2), ...rest.slice(0, 1), ...anew]);
      expect(await journal.verify()).toMatchObject({ differences: [] });
    });
  });
});
