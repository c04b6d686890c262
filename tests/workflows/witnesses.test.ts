import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { attemptKey } from '../../src/domain/ids.js';
import { openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';

/** Each test has a cloud of its own: a fault of its listing must strike it and nobody else. */
describe('a cloud that does not tell the truth once', () => {
  let slipway: TestSlipway;
  beforeAll(async () => {
    slipway = await openSlipway({
      simcloud: { timing: { listingLagMs: 800 } },
      credential: { listingLagMs: 1_000 },
    });
  });
  afterAll(async () => await slipway?.close());

  it('is asked again: a listing that comes back empty after a lost answer buys no second machine', async () => {
    const { client, cloud } = slipway;
    const request = requestFor(slipway);
    const { refId } = request;
    const match = { tag: { refId } };
    await cloud.control.addFault({ operation: 'create', kind: 'drop-answer-after-work', match });
    // Strikes every listing of the account but those that ask for a tag, until the look for the lost machine met it.
    await client.provision(request);
    await vi.waitFor(async () => expect(await cloud.control.report()).toMatchObject({ created: 1 }), {
      timeout: 20_000,
      interval: 5,
    });
    await cloud.control.addFault({ operation: 'list', kind: 'list-loses-page', times: 1 });
    await client.waitFor(refId, 'ready', { timeoutMs: 30_000 });
    expect(await cloud.control.report()).toMatchObject({ created: 1, doubled: 0 });
    const { attempts } = await client.describe(refId);
    expect(attempts).toHaveLength(1);
    await client.terminate(refId);
    await client.waitFor(refId, 'terminated');
  }, 60_000);

  it('is given the whole listing lag after the answer was lost, however long after it was first asked', async () => {
    const { client, cloud } = slipway;
    const { created: before } = await cloud.control.report();
    const request = requestFor(slipway);
    const { refId } = request;
    const match = { tag: { refId } };
    // Told to wait for longer than the lag; then the machine is made, and is not listed yet when the answer is lost.
    await cloud.control.addFault({ operation: 'create', kind: 'rate-limited', retryAfterSeconds: 2, match });
    await cloud.control.addFault({ operation: 'create', kind: 'drop-answer-after-work', match });
    await client.provision(request);
    expect(await client.waitFor(refId, 'ready', { timeoutMs: 30_000 })).toMatchObject({ adopted: true });
    expect(await cloud.control.report()).toMatchObject({ created: before + 1, doubled: 0 });
    await client.terminate(refId);
    await client.waitFor(refId, 'terminated');
  }, 60_000);

  it('is not believed that a machine ended, when it accepts the order, does nothing, and its listing loses a page', async () => {
    const { client, cloud } = slipway;
    const request = requestFor(slipway);
    const { refId } = request;
    await client.provision(request);
    await client.waitFor(refId, 'ready');
    await cloud.control.addFault({ operation: 'terminate', kind: 'terminate-lies', match: { tag: { refId } } });
    await cloud.control.addFault({ operation: 'list', kind: 'list-loses-page', times: 4 });
    await client.terminate(refId);
    await client.waitFor(refId, 'terminated', { timeoutMs: 50_000 });
    expect(await cloud.control.report()).toMatchObject({ running: 0 });
  }, 90_000);

  it('gives every machine the name of its attempt, which no run, retry or reset changes', async () => {
    const { client, cloud } = slipway;
    const request = requestFor(slipway);
    const { refId } = request;
    await client.provision(request);
    const { cloudId = '' } = await client.waitFor(refId, 'ready');
    const { tags } = await cloud.control.machine(cloudId);
    expect(tags['slipway-attempt']).toBe(attemptKey(refId, 1));
    expect(attemptKey(refId, 1)).toBe(`${refId}-1`);
    await client.terminate(refId);
    await client.waitFor(refId, 'terminated');
  });
});
