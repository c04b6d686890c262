import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { type FactSink, JournalDown, journaling } from '../../src/activities/journal/interceptor.js';
import type { InstanceEvent, InstanceFact } from '../../src/domain/instance/index.js';
import { attempted, failure, requested, stamp } from '../journal/support/lives.js';

const down: FactSink = {
  keep: async () => {
    throw new JournalDown('it does not answer');
  },
};
const has = (upTo: number): FactSink => ({ keep: async () => upTo });

/** What comes of one attempt of an activity; `asked` is whether its work was done. */
async function attempt(sink: FactSink, activityType: string, events: readonly InstanceEvent[], scheduledAgoMs = 0) {
  const info = { activityType, scheduledTimestampMs: Date.now() - scheduledAgoMs };
  const env = new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') });
  const parcel = { journal: { refId: 'a', upTo: 0, events } };
  let asked = false;
  const answer = await env.run(async () => {
    const work = async () => {
      asked = true;
    };
    const input = { args: [{}, parcel], headers: {} };
    return await journaling(sink)
      .execute?.(input, work)
      .catch((error: unknown) => error);
  });
  const failed = answer instanceof ApplicationFailure ? answer : undefined;
  const [fact, receipt] = (failed?.details ?? []) as [{ retryAfterMs: number }, { journaled: number }];
  return { asked, answer, failed, fact, receipt };
}

const ask: InstanceFact[] = [attempted(1)];
const heldBack: InstanceFact = {
  type: 'ProviderUnavailable',
  attempt: 1,
  failure: failure('ServiceUnavailable', { isRemembered: true }),
};
const askedTimes = (times: number) =>
  stamp([requested('a'), ...Array.from({ length: times }, () => [...ask, heldBack]).flat(), ...ask]);

describe('a create that is held back', () => {
  it('is recorded ever more rarely the longer the journal is away, so that its log hardly grows', async () => {
    const gaps: number[] = [];
    for (let times = 0; times < 9; times++) {
      const { asked, failed, fact } = await attempt(down, 'createInstance', askedTimes(times), 61_000);
      expect(asked).toBe(false);
      expect(failed?.nonRetryable).toBe(true);
      gaps.push(fact.retryAfterMs);
    }
    expect(gaps).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300].map((seconds) => seconds * 1_000));
  });

  it.each([
    ['soon for the first time', 0, 16_000, true],
    ['not at once', 0, 10_000, false],
    ['later once the instance has told why', 1, 30_000, false],
  ] as const)('is recorded %s', async (_when, times, agoMs, recorded) => {
    const { failed } = await attempt(down, 'createInstance', askedTimes(times), agoMs);
    expect(failed?.nonRetryable).toBe(recorded);
  });
});

describe('a journal that lacks facts before those that came', () => {
  it('gets no create sent whose intent it does not have: the workflow is told at once', async () => {
    const { asked, failed, receipt } = await attempt(has(1), 'createInstance', askedTimes(0).slice(1));
    expect(asked).toBe(false);
    expect(failed).toMatchObject({ type: 'ServiceUnavailable', nonRetryable: true });
    expect(receipt).toEqual({ journaled: 1 });
  });

  it('gets no create sent by a workflow that does not know of it yet', async () => {
    const { asked, receipt } = await attempt(has(0), 'createInstance', []);
    expect(asked).toBe(false);
    expect(receipt).toEqual({ journaled: 0 });
  });

  it('keeps nothing else from being done', async () => {
    const { asked, answer } = await attempt(has(1), 'endInstance', askedTimes(1));
    expect(asked).toBe(true);
    expect(answer).toEqual({ journaled: 1 });
  });
});
