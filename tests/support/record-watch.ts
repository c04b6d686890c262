import { expect, vi } from 'vitest';
import { offerId } from '../../src/domain/placement/offer.js';
import { begin, createByHand, endAndProve, untilAsleep } from './lives.js';
import { credentialOf, offerAt, openSlipway, requestFor, type TestSlipway, watcherOf } from './slipway.js';

const AT = 'eu-north-1';
const SOLD_OUT = 'gpu_1x_h100_pcie';
const SOON = { timeout: 60_000, interval: 100 };
/** Everything that a watch is told. */
const MESSAGES = ['wake', 'refused', 'stocked', 'probeEnded', 'claimProbe', 'strayOwed', 'strayGone'];

/**
 * An account that fell asleep, was woken, found an offer sold out and in stock again, settled, and owed a machine that came
 * late: everything its watch can be told, and each of its moods.
 * @returns the id of its watch.
 */
export async function recordWatch(): Promise<string> {
  const watchTiming = {
    alertMs: 200,
    settledIntervalMs: 200,
    idleAfterMs: 400,
    stockIntervalMs: 200,
    strayGraceMs: 200,
  };
  const slipway = await openSlipway({ watchTiming });
  try {
    await untilAsleep(slipway);
    await waitedForStock(slipway);
    await owedAStray(slipway);
    const told = new Set((await eventsOf(slipway)).map(nameOf));
    expect([...told], 'all that a watch is told').toEqual(expect.arrayContaining(MESSAGES));
    return watcherOf(slipway).workflowId;
  } finally {
    await slipway.close();
  }
}

/** One is refused, others wait on its word; one of them asks again, and is the first to get a machine. */
async function waitedForStock(slipway: TestSlipway): Promise<void> {
  const { client, cloud } = slipway;
  await cloud.control.setStock({ location: AT, instanceType: SOLD_OUT, count: 0 });
  const wanted = () => requestFor(slipway, { offers: [offerAt(slipway, AT, SOLD_OUT)] });
  const requests = [wanted(), wanted(), wanted()];
  for (const request of requests) {
    await client.provision(request);
    await vi.waitFor(
      async () => expect((await client.describe(request.refId)).failure?.kind).toBe('InsufficientResources'),
      SOON,
    );
  }
  // As a worker does whose probe brought no answer.
  await watcherOf(slipway).signal('probeEnded', { offer: offerId(offerAt(slipway, AT, SOLD_OUT)) });
  await cloud.control.setStock({ location: AT, instanceType: SOLD_OUT, count: null });
  for (const { refId } of requests) {
    await client.waitFor(refId, 'ready', { timeoutMs: 120_000 });
    await client.terminate(refId);
    await client.waitFor(refId, 'terminated');
  }
}

async function owedAStray(slipway: TestSlipway): Promise<void> {
  const { client, cloud } = slipway;
  const life = await begin(slipway);
  await life.until('ready');
  await endAndProve(slipway, life);
  await life.fault({ operation: 'terminate', kind: 'error-500', times: 'always' });
  const cloudCredRefId = credentialOf(slipway);
  await createByHand(slipway, { refId: life.refId, cloudCredRefId });
  await watcherOf(slipway).signal('wake');
  await vi.waitFor(async () => expect(await client.debts({ cloudCredRefId })).toHaveLength(1), SOON);
  await cloud.control.removeFaults();
  await vi.waitFor(async () => expect(await client.debts({ cloudCredRefId })).toEqual([]), SOON);
}

async function eventsOf(slipway: TestSlipway) {
  return (await watcherOf(slipway).fetchHistory()).events ?? [];
}

function nameOf(event: Awaited<ReturnType<typeof eventsOf>>[number]): string | null | undefined {
  const { workflowExecutionSignaledEventAttributes: signal, workflowExecutionUpdateAcceptedEventAttributes: update } =
    event;
  return signal?.signalName ?? update?.acceptedRequest?.input?.name;
}
