import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Injection, MISHAPS, type Mishap } from '../support/injection.js';
import { offerAt, openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';

/** More calls than any scenario here makes: the walk ends where an instance has no such call. */
const MOST_CALLS = 10;

/**
 * The saga habit: every activity call of a scenario is broken once, in every way, each in an instance of its own. After
 * each the ledger must say: one live machine at most, none without an owner, none left at the end.
 */
describe('a scenario in which any one call goes wrong', () => {
  const injection = new Injection();
  let slipway: TestSlipway;
  beforeAll(async () => {
    slipway = await openSlipway({
      interceptors: injection.interceptors,
      simcloud: { timing: { listingLagMs: 200, forgetAfterMs: 1_000 } },
      credential: { listingLagMs: 1_000 },
    });
  });
  afterAll(async () => await slipway?.close());

  const walk = async (live: (refId: string) => Promise<void>, prepare?: (refId: string) => Promise<void>) => {
    const runs = MISHAPS.flatMap((mishap) => Array.from({ length: MOST_CALLS }, (_, call) => ({ mishap, call })));
    const struck = await Promise.all(
      runs.map(async ({ mishap, call }) => {
        const request = requestFor(slipway, {
          offers: [offerAt(slipway, 'us-west-1', 'gpu_1x_a10'), offerAt(slipway, 'us-east-1', 'gpu_1x_a10')],
          policy: { pendingToRunning: '20s', stoppedToRunning: '20s' },
        });
        const { refId } = request;
        injection.plan(refId, call, mishap);
        await prepare?.(refId);
        await slipway.client.provision(request);
        await live(refId);
        await slipway.client.terminate(refId);
        await slipway.client.waitFor(refId, 'terminated', { timeoutMs: 90_000 });
        return { mishap, activity: injection.struckAt(refId) };
      }),
    );
    const report = await slipway.cloud.control.report();
    expect(report).toMatchObject({ running: 0, doubled: 0 });
    return struck;
  };

  const ready = (refId: string) => slipway.client.waitFor(refId, 'ready', { timeoutMs: 90_000 });
  const broken = (struck: { mishap: Mishap; activity?: string }[]) =>
    new Set(struck.flatMap(({ mishap, activity }) => (activity ? [`${activity} ${mishap}`] : [])));

  it('provisions, stops, starts and ends with exactly one machine', async () => {
    const struck = await walk(async (refId) => {
      await ready(refId);
      await slipway.client.stop(refId);
      await slipway.client.waitFor(refId, 'stopped', { timeoutMs: 90_000 });
      await slipway.client.start(refId);
      await ready(refId);
    });
    const calls = ['createInstance', 'applyFirewall', 'probeSsh', 'stopInstance', 'startInstance', 'endInstance'];
    const all = calls.flatMap((call) => MISHAPS.map((mishap) => `${call} ${mishap}`));
    expect(all.filter((one) => !broken(struck).has(one))).toEqual([]);
  }, 240_000);

  it('discards a machine that fails to boot, and lands on the next offer with exactly one', async () => {
    const struck = await walk(
      async (refId) => {
        await ready(refId);
      },
      async (refId) => {
        const match = { tag: { refId }, location: 'us-west-1' };
        await slipway.cloud.control.addFault({ operation: 'create', kind: 'boot-fails', match });
      },
    );
    expect([...broken(struck)]).toContain('endInstance never answers');
  }, 240_000);
});
