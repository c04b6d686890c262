import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { begin, endAndProve, type OwnFault } from '../support/lives.js';
import { credentialNamed, offerAt, openSlipway, type TestSlipway } from '../support/slipway.js';

const LOCATIONS = ['us-west-1', 'us-east-1', 'eu-north-1'] as const;
/** Longer than a late machine takes to arrive. */
const LAG_MS = 2_500;

/** Longer after its create than anybody looks for it: it comes when the test moves the cloud's clock. */
const HOUR_MS = 3_600_000;
const HOUR_LATE: OwnFault = { operation: 'create', kind: 'late-work', delayMs: HOUR_MS };

let slipway: TestSlipway;
beforeAll(async () => {
  slipway = await openSlipway({
    others: {
      'wrong-key': { apiKey: 'nobody-knows-this' },
      'slow-lists': { listingLagMs: LAG_MS },
    },
    watchTiming: { strayGraceMs: 500 },
  });
});
afterAll(async () => await slipway?.close());

const three = (instanceType?: string) => LOCATIONS.map((location) => offerAt(slipway, location, instanceType));
const outOfStock = (location: string): OwnFault => ({
  operation: 'create',
  kind: 'out-of-stock',
  times: 'always',
  match: { location },
});

// What is sold out is remembered for all requests of the account: each of these tests has a type of its own.
describe.concurrent('an offer that is refused', () => {
  it('is set aside when it is sold out, and so is the next: the third gets the machine', async () => {
    const [first, second, third] = LOCATIONS;
    const life = await begin(slipway, { offers: three('gpu_1x_a100_sxm4') }, outOfStock(first), outOfStock(second));
    const ready = await life.until('ready');
    expect(ready.offer?.location).toBe(third);
    expect(ready.attempts.map(({ outcome, failure }) => failure?.kind ?? outcome)).toEqual([
      'InsufficientResources',
      'InsufficientResources',
      'created',
    ]);
    expect(await life.machines()).toHaveLength(1);
    await endAndProve(slipway, life);
  });

  it('ends in a parked instance that costs nothing, when every offer stays sold out for provisionWithin', async () => {
    const policy = { provisionWithin: '2s' };
    const sold: OwnFault = { operation: 'create', kind: 'out-of-stock', times: 'always' };
    const life = await begin(slipway, { offers: three('gpu_1x_h100_pcie'), policy }, sold);
    const parked = await life.until('parked');
    expect(parked).toMatchObject({ lifecycleStatus: 'failed', failure: { kind: 'InsufficientResources' } });
    expect(await life.machines()).toEqual([]);
    const over = await endAndProve(slipway, life);
    expect(over.terminated?.by).toBe('never-created');
  });

  it('ends the instance with its failure instead, where the policy says terminate', async () => {
    const policy = { provisionWithin: '1s', onFailure: 'terminate' } as const;
    const sold: OwnFault = { operation: 'create', kind: 'out-of-stock', times: 'always' };
    const life = await begin(slipway, { offers: three('cpu_4x_general'), policy }, sold);
    const over = await life.until('terminated');
    expect(over).toMatchObject({ failure: { kind: 'InsufficientResources' }, terminated: { by: 'never-created' } });
  });

  it('parks at a quota wall, and goes on to ready by a retry once the quota is raised', async () => {
    const walled = await begin(slipway, {}, { operation: 'create', kind: 'quota', times: 'always' });
    const parked = await walled.until('parked');
    expect(parked.failure).toMatchObject({ kind: 'OutOfQuota', providerCode: 'quota.exceeded' });
    expect(await walled.machines()).toEqual([]);
    for (const { id, match } of await slipway.cloud.control.faults()) {
      if (match?.tag?.refId === walled.refId) await slipway.cloud.control.removeFaults(id);
    }
    await slipway.client.retry(walled.refId, { actor: 'ann' });
    const ready = await walled.until('ready');
    expect(ready).toMatchObject({ lastCommand: { type: 'RetryRequested', actor: 'ann' } });
    expect(ready.failure).toBeUndefined();
    expect(await walled.machines()).toHaveLength(1);
    await endAndProve(slipway, walled);
  });

  it('parks naming the credential, when the provider does not accept it', async () => {
    const cloudCredRefId = credentialNamed(slipway, 'wrong-key');
    const offers = [
      { ...offerAt(slipway), cloudCredRefId },
      { ...offerAt(slipway, 'us-east-1'), cloudCredRefId },
    ];
    const life = await begin(slipway, { offers });
    const parked = await life.until('parked');
    expect(parked.failure?.kind).toBe('Unauthenticated');
    expect(parked.failure?.message).toContain(cloudCredRefId);
    expect(parked.attempts, 'the second offer of a refused credential is not tried').toHaveLength(1);
  });

  it('gives way to another credential, when only its own is refused', async () => {
    const wrong = { ...offerAt(slipway), cloudCredRefId: credentialNamed(slipway, 'wrong-key') };
    const life = await begin(slipway, { offers: [wrong, offerAt(slipway)] });
    expect((await life.until('ready')).attempts.map(({ failure }) => failure?.kind)).toEqual([
      'Unauthenticated',
      undefined,
    ]);
    await endAndProve(slipway, life);
  });

  it('parks at once on an image that no offer will have', async () => {
    const life = await begin(slipway, { offers: three(), imageId: 'no-such-image' });
    const parked = await life.until('parked');
    expect(parked.failure?.kind).toBe('ImageNotFound');
    expect(parked.attempts).toHaveLength(1);
  });

  it('leads to the next offer, when the provider does not know the type there', async () => {
    const unknown = offerAt(slipway, 'us-west-1', 'gpu_9x_unheard_of');
    const life = await begin(slipway, { offers: [unknown, offerAt(slipway)] });
    expect((await life.until('ready')).attempts.map(({ failure }) => failure?.kind)).toEqual([
      'InvalidRequest',
      undefined,
    ]);
    await endAndProve(slipway, life);
  });
});

describe.concurrent('a create whose answer is lost or spoiled', () => {
  it.each([
    ['drop-answer-after-work', 'the socket died after the work'],
    ['error-500-after-work', 'the provider failed after the work'],
  ] as const)('adopts the machine that it made: one machine, ever (%s: %s)', async (kind, _because) => {
    const life = await begin(slipway, {}, { operation: 'create', kind });
    const ready = await life.until('ready');
    expect(ready).toMatchObject({ adopted: true });
    expect(await life.types()).toContain('CreateOutcomeUnknown');
    expect(await life.machines()).toHaveLength(1);
    await endAndProve(slipway, life);
  });

  it.each([
    ['drop-before-work', ['UnknownOutcome', undefined]],
    ['error-500', ['UnknownOutcome', undefined]],
    ['html-instead-of-json', ['UnknownOutcome', undefined]],
    ['error-503', undefined],
    ['late-answer', [undefined]],
  ] as const)('ends in exactly one ready machine, when the create meets %s', async (kind, failures) => {
    const life = await begin(slipway, {}, { operation: 'create', kind });
    const ready = await life.until('ready');
    if (failures) expect(ready.attempts.map(({ failure }) => failure?.kind)).toEqual(failures);
    expect(await life.machines()).toHaveLength(1);
    await endAndProve(slipway, life);
  });

  it('adopts a machine that arrives late, when the listing lag covers the delay', async () => {
    const cloudCredRefId = credentialNamed(slipway, 'slow-lists');
    const late: OwnFault = { operation: 'create', kind: 'late-work', delayMs: 1_000 };
    const life = await begin(slipway, { offers: [{ ...offerAt(slipway), cloudCredRefId }] }, late);
    expect(await life.until('ready')).toMatchObject({ adopted: true });
    expect(await life.machines()).toHaveLength(1);
    await endAndProve(slipway, life);
  });

  it('ends a machine that arrives after it has moved on, as a stray, and keeps the other', async () => {
    const life = await begin(slipway, {}, HOUR_LATE);
    const ready = await life.until('ready');
    await slipway.cloud.control.advance(HOUR_MS);
    await life.seen('StrayEnded');
    const stray = await life.event('StrayFound');
    expect(stray.cloudId).not.toBe(ready.cloudId);
    expect((await life.live()).map(({ id }) => id)).toEqual([ready.cloudId]);
    expect((await slipway.client.describe(life.refId)).cleanupDebt).toEqual([]);
    await endAndProve(slipway, life);
    expect(await life.machines()).toHaveLength(2);
  });

  it('ends a machine that arrives after the instance itself is over', async () => {
    const life = await begin(slipway, {}, HOUR_LATE);
    await life.seen('CreateOutcomeUnknown');
    await slipway.client.terminate(life.refId);
    expect(await life.until('terminated')).toMatchObject({ terminated: { by: 'never-created' } });
    expect(await life.machines()).toEqual([]);
    await slipway.cloud.control.advance(HOUR_MS);
    expect(await life.machines()).toHaveLength(1);
    await vi.waitFor(async () => expect(await life.live()).toEqual([]), { timeout: 20_000, interval: 100 });
  });

  it('waits when it is told to slow down, and counts no attempt for it', async () => {
    const told: OwnFault = { operation: 'create', kind: 'rate-limited', retryAfterSeconds: 2 };
    const untold: OwnFault = { operation: 'create', kind: 'rate-limited', times: 2 };
    const lives = await Promise.all([begin(slipway, {}, told), begin(slipway, {}, untold)]);
    for (const life of lives) {
      expect((await life.until('ready')).attempts).toHaveLength(1);
      expect(await life.machines()).toHaveLength(1);
    }
    const [first] = lives;
    const asked = Date.parse((await first.event('CreateAttempted')).at);
    const created = Date.parse((await first.event('InstanceCreated')).at);
    expect(created - asked, 'as long as it was told').toBeGreaterThanOrEqual(2_000);
    for (const life of lives) await endAndProve(slipway, life);
  });

  it('survives a provider that fails at everything for a while', async () => {
    const life = await begin(
      slipway,
      { firewallRules: { ingressRules: [{ fromPort: 8_080, toPort: 8_080, ipRanges: [] }] } },
      { operation: 'list', kind: 'error-500' },
      { operation: 'create', kind: 'loses-rules', times: 'always' },
      { operation: 'create', kind: 'error-503' },
      { operation: 'create', kind: 'rate-limited' },
      { operation: 'get', kind: 'html-instead-of-json' },
      { operation: 'firewall', kind: 'drop-before-work' },
      { operation: 'terminate', kind: 'error-500', times: 2 },
    );
    await life.until('ready');
    expect(await life.live()).toHaveLength(1);
    await endAndProve(slipway, life);
  });
});
