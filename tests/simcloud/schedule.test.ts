import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FAULT_KIND_NAMES } from '../../src/simcloud/fault-kinds.js';
import { type CallSubject, type FaultSchedule, Faults, type StruckFaults } from '../../src/simcloud/faults.js';
import { call, cloudWith, specFor } from './support.js';

const rates = Object.fromEntries(FAULT_KIND_NAMES.map((kind) => [kind, 0.2]));
const subject = (key: string): CallSubject => ({ account: 'default', key, tags: { refId: key } });

/** What each key's calls met, call by call, whatever the order in which the keys' calls came. */
function fates(schedule: FaultSchedule, order: string[]): Record<string, StruckFaults[]> {
  const faults = new Faults();
  faults.setSchedule(schedule);
  const met: Record<string, StruckFaults[]> = {};
  for (const key of order) {
    met[key] ??= [];
    met[key].push(faults.strike('create', subject(key)));
  }
  return met;
}

describe('a fault schedule', () => {
  const calls = ['a', 'b', 'c'].flatMap((key) => Array.from({ length: 5 }, () => key));

  it('depends on the seed and on who calls for the which time, never on the order of arrival', () => {
    fc.assert(
      fc.property(fc.integer(), fc.shuffledSubarray(calls, { minLength: calls.length }), (seed, order) => {
        expect(fates({ seed, rates }, order)).toEqual(fates({ seed, rates }, calls));
      }),
      { numRuns: 30 },
    );
  });

  it('is another with another seed, and none with a rate of nothing', () => {
    expect(fates({ seed: 1, rates }, calls)).not.toEqual(fates({ seed: 2, rates }, calls));
    const quiet = fates({ seed: 1, rates: {} }, calls);
    expect(Object.values(quiet).flat()).toEqual(calls.map(() => ({ behaviours: [] })));
  });

  it('strikes about as often as its rates say, and only the operations it names', () => {
    const faults = new Faults();
    faults.setSchedule({ seed: 'x', rates: { 'error-500': 0.25 }, operations: ['create'] });
    const keys = Array.from({ length: 2_000 }, (_none, index) => `key-${index}`);
    const struck = keys.filter((key) => faults.strike('create', subject(key)).answer).length;
    expect(struck).toBeGreaterThan(400);
    expect(struck).toBeLessThan(600);
    expect(keys.some((key) => faults.strike('get', subject(key)).answer)).toBe(false);
  });

  it('leaves one kind as it is when the rate of another changes', () => {
    const which = (schedule: FaultSchedule): boolean[] =>
      Object.values(fates(schedule, calls))
        .flat()
        .map(({ behaviours }) => behaviours.some(({ kind }) => kind === 'never-boots'));
    const alone = which({ seed: 7, rates: { 'never-boots': 0.5 } });
    expect(which({ seed: 7, rates: { 'never-boots': 0.5, vanishes: 0.5, 'error-500': 0.5 } })).toEqual(alone);
    expect(new Set(alone).size).toBe(2);
  });

  it('brings the same run twice over HTTP, in another order and all at once', async () => {
    const refs = Array.from({ length: 12 }, (_none, index) => `ref-${index}`);
    const run = async (order: string[]): Promise<Record<string, number>> => {
      const cloud = await cloudWith();
      await cloud.control.setSchedule({
        seed: 11,
        rates: { 'error-500': 0.2, 'drop-answer-after-work': 0.2, 'out-of-stock': 0.2 },
        operations: ['create'],
      });
      const answers = order.map(async (ref) => {
        const answer = await call(cloud, 'POST', '/instances', specFor(ref)).catch(() => ({ status: 0 }));
        return [ref, answer.status] as const;
      });
      return Object.fromEntries(await Promise.all(answers));
    };
    const first = await run(refs);
    expect(await run(refs.toReversed())).toEqual(first);
    expect(new Set(Object.values(first)).size).toBeGreaterThan(2);
  });
});
