import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { billableActions, historyOf } from '../support/history.js';
import { openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';

describe('what a provision costs', () => {
  let slipway: TestSlipway;
  beforeAll(async () => {
    slipway = await openSlipway();
  });
  afterAll(async () => await slipway?.close());

  it('takes at most 45 history events and 9 Temporal actions from create to ready', async () => {
    const request = requestFor(slipway);
    await slipway.client.provision(request);
    await slipway.client.waitFor(request.refId, 'ready');
    const history = await historyOf(slipway.temporal, request.refId);
    expect(history.length).toBeLessThanOrEqual(45);
    expect(billableActions(history)).toBeLessThanOrEqual(9);
    if (process.env.SLIPWAY_PRINT_COST)
      console.log(history.length, billableActions(history), history.map((e) => e.type).join(' '));
  });

  it('makes at most three provider calls of its own, and lists once per interval however many wait', async () => {
    const requests = Array.from({ length: 20 }, () => requestFor(slipway));
    slipway.cloud.control.setTiming({ bootMs: 1_500 });
    const before = (await slipway.cloud.control.report()).calls.byOperation;
    await Promise.all(requests.map((request) => slipway.client.provision(request)));
    await Promise.all(requests.map(({ refId }) => slipway.client.waitFor(refId, 'ready')));
    const after = (await slipway.cloud.control.report()).calls.byOperation;
    if (process.env.SLIPWAY_PRINT_COST) console.log(before, after);
    expect((after.create ?? 0) - (before.create ?? 0)).toBe(20);
  });
});
