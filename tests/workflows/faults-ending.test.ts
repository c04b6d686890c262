import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { InstanceView } from '../../src/domain/instance/index.js';
import { begin, endAndProve, type Life, type OwnFault, proveGone } from '../support/lives.js';
import { offerAt, openSlipway, type TestSlipway } from '../support/slipway.js';

const SHORT = { toTerminated: '1s' };
const refused: OwnFault = { operation: 'terminate', kind: 'terminate-refused', times: 'always' };

async function relent(slipway: TestSlipway, { refId }: Life): Promise<void> {
  for (const { id, match } of await slipway.cloud.control.faults()) {
    if (match?.tag?.refId === refId) await slipway.cloud.control.removeFaults(id);
  }
}

async function owing(slipway: TestSlipway, life: Life): Promise<InstanceView> {
  await life.seen('CleanupDebtOpened');
  return await slipway.client.describe(life.refId);
}

async function isListedAsDebtor(slipway: TestSlipway, { refId }: Life): Promise<boolean> {
  const debtors = await slipway.client.list({ cleanupDebt: true });
  return debtors.some((row) => row.refId === refId);
}

describe.concurrent('what cannot be deleted in time', () => {
  let slipway: TestSlipway;
  beforeAll(async () => {
    slipway = await openSlipway({ watchTiming: { settledIntervalMs: 200 } });
  });
  afterAll(async () => await slipway?.close());

  it('is cleanup debt, in describe and in the list, until the provider relents and it is proved gone', async () => {
    const life = await begin(slipway, { policy: SHORT }, refused);
    const { cloudId = '' } = await life.until('ready');
    await slipway.client.terminate(life.refId);
    const view = await owing(slipway, life);
    expect(view.phase).toBe('terminating');
    expect(view.cleanupDebt).toEqual([
      expect.objectContaining({ cloudId, cause: 'undeleted', pricePerHour: { amount: '0.75', currency: 'USD' } }),
    ]);
    await vi.waitFor(async () => expect(await isListedAsDebtor(slipway, life)).toBe(true), { timeout: 10_000 });
    expect(await life.live()).toHaveLength(1);

    await relent(slipway, life);
    await slipway.client.retry(life.refId); // a person need not wait for the growing gaps
    const over = await proveGone(life);
    expect(over.terminated?.by).not.toBe('released');
    expect(await life.event('CleanupDebtClosed')).toMatchObject({ cloudId });
    await vi.waitFor(async () => expect(await isListedAsDebtor(slipway, life)).toBe(false), { timeout: 10_000 });
  });

  it('is tried again without anybody asking', async () => {
    const life = await begin(slipway, { policy: SHORT }, { ...refused, times: 4 });
    await life.until('ready');
    await slipway.client.terminate(life.refId);
    await life.seen('CleanupDebtOpened');
    await proveGone(life);
  });

  it('is let go by a person only, with a reason and a name in the record', async () => {
    const life = await begin(slipway, { policy: SHORT }, refused);
    const { cloudId } = await life.until('ready');
    const { client } = slipway;
    await expect(client.release(life.refId, { reason: 'x' })).rejects.toMatchObject({ kind: 'WrongPhase' });
    await client.terminate(life.refId);
    await life.seen('CleanupDebtOpened');
    await expect(client.release(life.refId, { reason: '' })).rejects.toMatchObject({ kind: 'InvalidRequest' });
    await client.release(life.refId, { reason: 'the provider confirmed by phone', actor: 'ann' });
    const over = await life.until('terminated');
    expect(over).toMatchObject({ terminated: { by: 'released' }, cleanupDebt: [] });
    expect(await life.event('DebtReleased')).toMatchObject({
      cloudId,
      reason: 'the provider confirmed by phone',
      actor: 'ann',
    });
    // Nobody claims that it is gone.
    expect(await life.live()).toHaveLength(1);
    await relent(slipway, life);
  });

  it('is ended all the same, when it was let go, is found alive by the next create, and is adopted', async () => {
    const offers = [offerAt(slipway), offerAt(slipway, 'us-east-1')];
    // It answers after its first time for SSH is over, and long before its second is.
    const policy = { ...SHORT, runningToSsh: '8s' };
    const silent: OwnFault = { operation: 'create', kind: 'ssh-refused', delayMs: 12_000 };
    const life = await begin(slipway, { offers, policy }, silent, refused);
    await owing(slipway, life);
    await slipway.client.release(life.refId, { reason: 'I take it for gone' });
    expect(await life.until('ready')).toMatchObject({ adopted: true });
    await relent(slipway, life);
    await endAndProve(slipway, life);
    expect(await life.machines()).toHaveLength(1);
  });

  it('holds back the next offer too: a machine that failed is never replaced before it is proved gone', async () => {
    const offers = [offerAt(slipway), offerAt(slipway, 'us-east-1')];
    const life = await begin(slipway, { offers, policy: SHORT }, { operation: 'create', kind: 'boot-fails' }, refused);
    const view = await owing(slipway, life);
    expect(view).toMatchObject({ phase: 'discarding', failure: { kind: 'InstanceFailed' } });
    expect(await life.machines()).toHaveLength(1);
    await relent(slipway, life);
    await slipway.client.retry(life.refId);
    await life.until('ready');
    expect(await life.live()).toHaveLength(1);
    await endAndProve(slipway, life);
  });

  it('is not taken for gone because the provider said yes: a termination that lies is asked again', async () => {
    const life = await begin(slipway, { policy: SHORT }, { operation: 'terminate', kind: 'terminate-lies' });
    await life.until('ready');
    await slipway.client.terminate(life.refId);
    await life.seen('CleanupDebtOpened');
    await proveGone(life);
  });

  it('is waited for, when the provider takes its time', async () => {
    const slow: OwnFault = { operation: 'terminate', kind: 'slow-terminate', delayMs: 3_000 };
    const life = await begin(slipway, {}, slow);
    await life.until('ready');
    await endAndProve(slipway, life);
    expect(await life.types()).not.toContain('CleanupDebtOpened');
  });
});

describe.concurrent('a listing that lies', () => {
  const listings = async (slipway: TestSlipway) => (await slipway.cloud.control.report()).calls.byOperation.list ?? 0;

  it.each([
    // A listing that fails is asked for ever more rarely: two of those are enough.
    ['list-loses-page', 8],
    ['list-repeats-page', 2],
    ['list-fails-on-page-2', 2],
    ['error-500', 2],
    ['html-instead-of-json', 2],
  ] as const)('is never read as absence (%s)', async (kind, looks) => {
    // It strikes every listing of the account: a cloud of its own.
    const slipway = await openSlipway({ simcloud: { pageSize: 1 }, watchTiming: { settledIntervalMs: 100 } });
    try {
      const lives = await Promise.all([begin(slipway), begin(slipway)]);
      for (const life of lives) await life.until('ready');
      await slipway.cloud.control.addFault({ operation: 'list', kind, times: 'always' });
      const enough = (await listings(slipway)) + looks;
      await vi.waitFor(async () => expect(await listings(slipway)).toBeGreaterThan(enough), { timeout: 20_000 });
      for (const life of lives) {
        expect((await slipway.client.describe(life.refId)).phase).toBe('ready');
        expect(await life.types()).not.toContain('MachineVanished');
        expect(await life.live()).toHaveLength(1);
      }
      const [first] = lives;
      await slipway.client.terminate(first.refId);
      await vi.waitFor(async () => expect(await first.live()).toEqual([]), { timeout: 20_000 });
      await slipway.cloud.control.removeFaults();
      await proveGone(first);
    } finally {
      await slipway.close();
    }
  });

  it('may double a machine for a moment, when it hides what a lost create made: the second is ended', async () => {
    const slipway = await openSlipway({ watchTiming: { settledIntervalMs: 100 } });
    try {
      await slipway.cloud.control.addFault({ operation: 'list', kind: 'list-loses-page', times: 4 });
      const life = await begin(slipway, {}, { operation: 'create', kind: 'drop-answer-after-work' });
      await life.until('ready');
      await vi.waitFor(async () => expect(await life.live()).toHaveLength(1), { timeout: 20_000 });
      await endAndProve(slipway, life);
    } finally {
      await slipway.close();
    }
  });
});
