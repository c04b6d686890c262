import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RefusalMemory } from '../../src/activities/refusals.js';
import { FORGET_AFTER_MS, PROBE_MS, type Refusals } from '../../src/domain/placement/refusals.js';
import { createLogger } from '../../src/logging.js';

const OFFER = 'sim/us-west-1/gpu_1x_a10';
const START = Date.UTC(2026, 10, 28);

/** One process, and the account's list as it answers. */
function processWith(claim: () => Promise<boolean>, untilMs = START - 1) {
  const list: Refusals = { [OFFER]: { count: 3, untilMs } };
  const handle = { query: async () => structuredClone(list), executeUpdate: claim, signal: async () => undefined };
  const client = { workflow: { getHandle: () => handle, list: () => [] } } as unknown as Client;
  return new RefusalMemory(client, createLogger({ level: 'silent', name: 'test' }));
}

describe('those who wait for an offer', () => {
  it('do not come as one when its time is over, and none comes before', async () => {
    const untilMs = Date.now() + 60_000;
    const memory = processWith(async () => true, untilMs);
    const waits = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const admission = await memory.admit('sim', OFFER, `r${index}`);
        return admission.admission === 'blocked' ? admission.untilMs : 0;
      }),
    );
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(untilMs);
    expect(Math.max(...waits)).toBeLessThanOrEqual(untilMs + 12_000);
    expect(new Set(waits).size).toBeGreaterThan(15);
  });
});

describe('a refusal', () => {
  it('is the first of its account while nothing else is remembered there', async () => {
    const over = processWith(async () => true, Date.now() - FORGET_AFTER_MS - 1);
    expect(await over.refused('sim', OFFER)).toEqual({ isFirst: true });
    expect(await over.refused('sim', 'sim/us-west-1/gpu_8x_h100'), 'in one and the same minute').toEqual({
      isFirst: false,
    });
    expect(await over.refused('sim', OFFER)).toEqual({ isFirst: false });
  });
});

describe('the probe of an offer whose time is over', () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ['Date'], now: START }));
  afterEach(() => vi.useRealTimers());
  const ask = async (memory: RefusalMemory, refId: string) => (await memory.admit('sim', OFFER, refId)).admission;

  it('is whose the account’s list says it is', async () => {
    expect(
      await ask(
        processWith(async () => true),
        'r1',
      ),
    ).toBe('go');
    expect(
      await ask(
        processWith(async () => false),
        'r1',
      ),
    ).toBe('blocked');
  });

  it('is anybody’s where nobody keeps a list', async () => {
    const memory = processWith(async () => {
      throw new WorkflowNotFoundError('not found', 'watch/sim', undefined);
    });
    expect(await ask(memory, 'r1')).toBe('go');
  });

  it('is not taken for granted when the list does not answer: another process may have it', async () => {
    const memory = processWith(async () => {
      throw new Error('limit on the number of updates');
    });
    expect(await ask(memory, 'r1')).toBe('blocked');
    vi.setSystemTime(START + PROBE_MS - 20_000);
    expect(await ask(memory, 'r2')).toBe('blocked');
    vi.setSystemTime(START + PROBE_MS + 1);
    expect(await ask(memory, 'r1'), 'a list that never answers stops nobody for good').toBe('go');
    vi.setSystemTime(START + PROBE_MS + 20_000);
    expect(await ask(memory, 'r3')).toBe('blocked');
  });
});
