import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { begin, endAndProve } from '../support/lives.js';
import { openSlipway, type TestSlipway } from '../support/slipway.js';

/** A create that is begun anew within it does not find the machine. */
const LAG_MS = 4_000;

describe('a worker that is stopped in order', () => {
  let slipway: TestSlipway;
  beforeAll(async () => {
    slipway = await openSlipway({
      simcloud: { timing: { listingLagMs: LAG_MS } },
      credential: { listingLagMs: LAG_MS + 500 },
      shutdownGraceMs: 200,
    });
  });
  afterAll(async () => await slipway?.close());

  it('leaves a create that outlives its grace to be looked for, and no other worker repeats it', async () => {
    const life = await begin(slipway, {}, { operation: 'create', kind: 'late-answer', delayMs: 30_000 });
    await vi.waitFor(async () => expect(await life.machines()).toHaveLength(1), { timeout: 20_000, interval: 20 });
    const next = await slipway.startWorker();
    await slipway.worker.stop();
    expect(await life.until('ready', 60_000)).toMatchObject({ adopted: true, attempts: [{ attempt: 1 }] });
    expect(await life.types()).toContain('CreateOutcomeUnknown');
    expect(await life.machines()).toHaveLength(1);
    await endAndProve(slipway, life);
    await next.stop();
  }, 90_000);
});
