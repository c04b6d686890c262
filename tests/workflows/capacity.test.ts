import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { untilAsleep } from '../support/lives.js';
import { offerAt, openSlipway, requestFor, type TestSlipway, watcherOf } from '../support/slipway.js';

/** Others of the same account must not be held up by what is sold out here: each test has a type of its own. */
const AT = 'eu-north-1';

describe('waiting for stock', () => {
  let slipway: TestSlipway;
  beforeAll(async () => {
    slipway = await openSlipway();
  });
  afterAll(async () => await slipway?.close());

  const creates = async (instanceType: string) => {
    const { latest } = await slipway.cloud.control.calls();
    const refIds = new Set((await slipway.client.list({ all: true, instanceType })).map(({ refId }) => refId));
    return latest.filter(({ operation, key }) => operation === 'create' && key && refIds.has(key)).length;
  };

  it('asks a sold-out offer once for ten requests, and wakes those who wait when a create finds stock', async () => {
    const instanceType = 'gpu_8x_h100_sxm5';
    const { client, cloud } = slipway;
    // The last one in stock goes to a request that hears of it late: long before the others would ask by themselves.
    await cloud.control.setStock({ location: AT, instanceType, count: 1 });
    const lucky = requestFor(slipway, { offers: [offerAt(slipway, AT, instanceType)] });
    const tag = { refId: lucky.refId };
    await cloud.control.addFault({ operation: 'create', kind: 'late-answer', delayMs: 10_000, match: { tag } });
    await client.provision(lucky);
    await vi.waitFor(async () => {
      expect((await cloud.control.ledger()).some(({ tags }) => tags.refId === lucky.refId)).toBe(true);
    }, 20_000);
    const requests = Array.from({ length: 10 }, () =>
      requestFor(slipway, { offers: [offerAt(slipway, AT, instanceType)] }),
    );
    const [first, ...others] = requests as [(typeof requests)[0], ...typeof requests];
    await client.provision(first);
    await vi.waitFor(
      async () => expect((await client.describe(first.refId)).failure?.kind).toBe('InsufficientResources'),
      20_000,
    );
    await Promise.all(others.map((request) => client.provision(request)));
    await vi.waitFor(async () => {
      const views = await Promise.all(others.map(({ refId }) => client.describe(refId)));
      for (const { phase, failure } of views)
        expect({ phase, failure }).toMatchObject({ phase: 'placing', failure: { isRemembered: true } });
    }, 20_000);
    expect(await creates(instanceType), 'the lucky one, and one of the ten').toBe(2);

    await cloud.control.setStock({ location: AT, instanceType, count: null });
    await Promise.all(requests.map(({ refId }) => client.waitFor(refId, 'ready', { timeoutMs: 45_000 })));
    const woken = await Promise.all(requests.map(({ refId }) => client.events(refId)));
    expect(woken.filter(({ events }) => events.some(({ type }) => type === 'StockReturned')).length).toBeGreaterThan(0);
    await Promise.all([lucky, ...requests].map(({ refId }) => client.terminate(refId)));
  }, 90_000);

  it('goes on while an offer is still sold out, whatever maxOffers says of attempts', async () => {
    const instanceType = 'gpu_1x_h100_pcie';
    const { client, cloud } = slipway;
    await cloud.control.setStock({ location: AT, instanceType, count: 0 });
    const request = requestFor(slipway, {
      offers: [offerAt(slipway, AT, instanceType)],
      policy: { maxOffers: 2, provisionWithin: '10m' },
    });
    await client.provision(request);
    await vi.waitFor(async () => {
      const { events } = await client.events(request.refId);
      expect(events).toContainEqual(expect.objectContaining({ failure: expect.objectContaining({ isRepeat: true }) }));
    }, 45_000);
    expect((await client.describe(request.refId)).phase).toBe('placing');
    await cloud.control.setStock({ location: AT, instanceType, count: null });
    await client.terminate(request.refId);
    await client.waitFor(request.refId, 'terminated');
  }, 60_000);

  it('keeps a stopped machine that finds no stock, says when it tries again, and starts at once when asked', async () => {
    const instanceType = 'gpu_1x_h100_pcie';
    const { client, cloud } = slipway;
    const request = requestFor(slipway, { offers: [offerAt(slipway, AT, instanceType)] });
    const { refId } = request;
    await client.provision(request);
    const { cloudId } = await client.waitFor(refId, 'ready');
    await client.stop(refId);
    await client.waitFor(refId, 'stopped');
    await cloud.control.setStock({ location: AT, instanceType, count: 0 });
    await client.start(refId);
    await vi.waitFor(
      async () => expect((await client.describe(refId)).failure?.kind).toBe('InsufficientResources'),
      10_000,
    );
    const waiting = await client.waitFor(refId, 'stopped');
    expect(waiting).toMatchObject({ cloudId, desired: 'running' });
    expect(waiting.deadline).toBeDefined();

    await cloud.control.setStock({ location: AT, instanceType, count: null });
    expect(await client.start(refId)).toMatchObject({ result: 'recorded' });
    expect(await client.waitFor(refId, 'ready')).toMatchObject({ cloudId });
    await client.terminate(refId);
    await client.waitFor(refId, 'terminated');
  }, 60_000);
});

describe('an account with nothing in it', () => {
  it('is woken by a refusal, and wakes who waits there when the catalog has the offer again', async () => {
    const watchTiming = { alertMs: 200, settledIntervalMs: 200, idleAfterMs: 400, stockIntervalMs: 200 };
    const slipway = await openSlipway({ watchTiming });
    const { client, cloud } = slipway;
    const instanceType = 'gpu_1x_h100_pcie';
    const looks = async () => (await cloud.control.calls()).byOperation.types ?? 0;
    try {
      await untilAsleep(slipway);
      expect(await looks()).toBe(0);
      await cloud.control.setStock({ location: AT, instanceType, count: 0 });
      const request = requestFor(slipway, { offers: [offerAt(slipway, AT, instanceType)] });
      const { refId } = request;
      await client.provision(request);
      await vi.waitFor(async () => {
        expect((await client.describe(refId)).failure?.kind).toBe('InsufficientResources');
        expect(await looks()).toBeGreaterThan(5);
      }, 20_000);
      await cloud.control.setStock({ location: AT, instanceType, count: null });
      await client.waitFor(refId, 'ready', { timeoutMs: 30_000 });
      const { events } = await client.events(refId);
      // Nobody else was given a machine: it was the catalog.
      expect(events.map(({ type }) => type)).toContain('StockReturned');
      await client.terminate(refId);
      await client.waitFor(refId, 'terminated');
    } finally {
      await slipway.close();
    }
  }, 90_000);
});

describe('a machine that arrives an hour after its create was given up', () => {
  it('is seen by the sweep of an account that had gone to sleep, and is ended', async () => {
    const slipway = await openSlipway({
      watchTiming: { idleAfterMs: 200, alertMs: 200, strayGraceMs: 200, settledIntervalMs: 200 },
    });
    const { client, cloud } = slipway;
    try {
      const request = requestFor(slipway, { policy: { provisionWithin: '3s', onFailure: 'terminate', maxOffers: 1 } });
      const { refId } = request;
      const hour = 3_600_000;
      await cloud.control.addFault({
        operation: 'create',
        kind: 'late-work',
        delayMs: hour,
        match: { tag: { refId } },
      });
      await client.provision(request);
      await client.waitFor(refId, 'terminated', { timeoutMs: 30_000 });
      expect(await cloud.control.report()).toMatchObject({ created: 0 });

      await cloud.control.advance(hour);
      expect(await cloud.control.report()).toMatchObject({ created: 1, running: 1 });
      // The sweep comes by itself within minutes, then hours; here an operator's wake-up stands in for the wait.
      await watcherOf(slipway).signal('wake');
      await vi.waitFor(async () => expect(await cloud.control.report()).toMatchObject({ running: 0 }), 30_000);
    } finally {
      await slipway.close();
    }
  }, 90_000);
});
