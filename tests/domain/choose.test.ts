import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ERROR_KINDS, type ErrorKind, type FailureFact } from '../../src/domain/errors.js';
import { toEpochMs } from '../../src/domain/ids.js';
import type { Attempt } from '../../src/domain/instance/index.js';
import {
  CAPACITY_GAP_MS,
  type Choice,
  chooseOffer,
  INCONCLUSIVE_TRIES,
  OUTAGE_GAP_MS,
  type PlacementInput,
  wasSoldOut,
} from '../../src/domain/placement/choose.js';
import { type Offer, offerId } from '../../src/domain/placement/offer.js';
import { later, START } from '../support/given.js';
import { failure, offerA, offerB, offerC } from './stories.js';

const HOUR = 3_600_000;
/** Same credential and location as A, another type. */
const offerA2: Offer = { ...offerA, instanceType: 'gpu_8x_h100' };
const offers = [offerA, offerA2, offerB, offerC];

function failed(offer: Offer, kind: ErrorKind, more: Partial<FailureFact> = {}, failedAt = START): Attempt {
  return { attempt: 1, offer, at: START, outcome: 'failed', failure: { ...failure(kind), ...more }, failedAt };
}

function choose(attempts: Attempt[], more: Partial<PlacementInput> = {}): Choice {
  const numbered = attempts.map((attempt, index) => ({ ...attempt, attempt: index + 1 }));
  const input = { offers, attempts: numbered, now: START, provisionBy: later(START, HOUR), maxOffers: 25 };
  return chooseOffer({ ...input, ...more });
}

const tried = (choice: Choice) => (choice.choice === 'try' ? offerId(choice.offer) : choice.choice);

describe('the next offer', () => {
  it('is the first in the caller’s order', () => expect(choose([])).toEqual({ choice: 'try', offer: offerA }));

  it('is the first that nothing blocks', () =>
    expect(choose([failed(offerA, 'InsufficientResources')])).toEqual({ choice: 'try', offer: offerA2 }));

  it('tells a sub-location from the location', () => {
    const sub = { ...offerA, subLocation: 'b' };
    expect(choose([failed(offerA, 'InsufficientResources')], { offers: [offerA, sub] })).toEqual({
      choice: 'try',
      offer: sub,
    });
  });

  it('is the first again when its gap has passed', () =>
    expect(choose([failed(offerA, 'InsufficientResources')], { now: later(START, 60_000) })).toEqual({
      choice: 'try',
      offer: offerA,
    }));
});

/** What each refusal of A blocks now: the offers that are left, in order. */
const SCOPES: Record<ErrorKind, readonly Offer[]> = {
  InsufficientResources: [offerA2, offerB, offerC],
  OutOfQuota: [offerB, offerC],
  Unauthenticated: [offerC],
  PermissionDenied: [offerC],
  RateLimited: [offerC],
  ServiceUnavailable: [offerB, offerC],
  ImageNotFound: [],
  InvalidRequest: [offerA2, offerB, offerC],
  Internal: [offerA2, offerB, offerC],
  DuplicateFirewallRule: [offerA2, offerB, offerC],
  InstanceNotFound: [offerA2, offerB, offerC],
  ResourceNotFound: [offerA2, offerB, offerC],
  NotSupported: [offerA2, offerB, offerC],
  NotYet: [offerA2, offerB, offerC],
  WaitTimeout: [offerA2, offerB, offerC],
  InstanceFailed: [offerA2, offerB, offerC],
  SshUnreachable: [offerA2, offerB, offerC],
  FirewallUnverified: [offerA2, offerB, offerC],
  // Nobody refused: the others come first, and then it once more.
  UnknownOutcome: [offerA2, offerB, offerC, offerA],
};

/** Refusals that pass by themselves. */
const PASSING = new Set<ErrorKind>([
  'InsufficientResources',
  'ServiceUnavailable',
  'RateLimited',
  'Internal',
  'NotYet',
]);

describe('a refusal blocks the scope that the error table gives it', () => {
  it.each(ERROR_KINDS)('%s', (kind) => {
    const attempts = [failed(offerA, kind)];
    const left = SCOPES[kind].map((_one, index) => {
      const others = SCOPES[kind].slice(index);
      return tried(choose(attempts, { offers: offers.filter((one) => one === offerA || others.includes(one)) }));
    });
    expect(left).toEqual(SCOPES[kind].map(offerId));
    if (kind !== 'UnknownOutcome') {
      const blocked = offers.filter((one) => !SCOPES[kind].includes(one));
      expect(choose(attempts, { offers: blocked }).choice).toBe(PASSING.has(kind) ? 'wait' : 'give-up');
    }
  });
});

/** How long the only offer is blocked after so many refusals. */
function gap(kind: ErrorKind, refusals: number, more: Partial<FailureFact> = {}): number {
  const attempts = Array.from({ length: refusals }, () => failed(offerA, kind, more));
  const choice = choose(attempts, { offers: [offerA], provisionBy: later(START, 100 * HOUR) });
  return choice.choice === 'wait' ? toEpochMs(choice.until) - toEpochMs(START) : 0;
}

describe('gaps', () => {
  it.each([
    ['InsufficientResources', CAPACITY_GAP_MS],
    ['ServiceUnavailable', OUTAGE_GAP_MS],
    ['RateLimited', OUTAGE_GAP_MS],
    ['NotYet', OUTAGE_GAP_MS],
  ] as const)('of %s double from the first to the ceiling, give or take a fifth', (kind, { first, ceiling }) => {
    for (let refusals = 1; refusals <= 12; refusals += 1) {
      const expected = Math.min(ceiling, first * 2 ** (refusals - 1));
      expect(gap(kind, refusals)).toBeGreaterThanOrEqual(0.8 * expected);
      expect(gap(kind, refusals)).toBeLessThanOrEqual(1.2 * expected);
    }
  });

  it('are the same for the same attempt, so that a replay chooses alike', () =>
    expect(gap('InsufficientResources', 3)).toBe(gap('InsufficientResources', 3)));

  it('differ between attempts and offers, so that a thousand waiters do not wake as one', () => {
    const waits = [offerA, offerB, offerC].map((offer) =>
      choose([failed(offer, 'InsufficientResources')], { offers: [offer] }),
    );
    expect(new Set(waits.map((wait) => JSON.stringify(wait))).size).toBe(3);
  });

  it('are never shorter than the provider told us', () => {
    expect(gap('RateLimited', 1, { retryAfterMs: 240_000 })).toBe(240_000);
    expect(gap('ServiceUnavailable', 1, { retryAfterMs: 1 })).toBeGreaterThan(20_000);
  });

  it('end at the soonest of all offers', () => {
    const late = later(START, 10_000);
    const choice = choose(
      [failed(offerA, 'InsufficientResources'), failed(offerB, 'InsufficientResources', {}, late)],
      {
        offers: [offerA, offerB],
        now: late,
      },
    );
    expect(choice).toMatchObject({ choice: 'wait' });
    if (choice.choice === 'wait') expect(toEpochMs(choice.until) - toEpochMs(START)).toBeLessThan(20_000);
  });
});

describe('when to stop', () => {
  it('starts nothing new once provisionWithin has passed', () => {
    expect(choose([], { now: later(START, HOUR) })).toMatchObject({
      choice: 'give-up',
      failure: { kind: 'WaitTimeout' },
    });
    expect(choose([], { now: later(START, HOUR - 1) }).choice).toBe('try');
  });

  it('waits no longer than that either', () =>
    expect(
      choose([failed(offerA, 'InsufficientResources')], { offers: [offerA], provisionBy: later(START, 1_000) }),
    ).toEqual({
      choice: 'wait',
      until: later(START, 1_000),
    }));

  it('makes at most maxOffers attempts', () => {
    const attempts = [failed(offerA, 'InsufficientResources'), failed(offerB, 'InsufficientResources')];
    expect(choose(attempts, { maxOffers: 3 }).choice).toBe('try');
    expect(choose(attempts, { maxOffers: 2 }).choice).toBe('give-up');
  });

  it('does not count how often it asks again where all is sold out: that may last until provisionWithin', () => {
    const again = Array.from({ length: 30 }, () => failed(offerA, 'InsufficientResources', { isRepeat: true }));
    const attempts = [failed(offerA, 'InsufficientResources'), ...again];
    expect(choose(attempts, { offers: [offerA], maxOffers: 2 }).choice).toBe('wait');
    expect(choose(attempts, { offers: [offerA, offerB], maxOffers: 1 }).choice).toBe('give-up');
  });

  it.each([
    [[offerA], false],
    [[offerA, offerB], false],
    [[offerA, offerB, offerA], true],
  ] as const)('knows whether the newest refusal is no news', (tried, isRepeat) => {
    const attempts = tried.map((offer, index) => ({ ...failed(offer, 'InsufficientResources'), attempt: index + 1 }));
    expect(wasSoldOut(attempts)).toBe(isRepeat);
  });

  it('does not count an attempt that was only too fast', () =>
    expect(choose([failed(offerC, 'RateLimited'), failed(offerC, 'RateLimited')], { maxOffers: 1 }).choice).toBe(
      'try',
    ));

  it('tries an offer whose create keeps vanishing a few times, after all others, and no more', () => {
    const vanished = Array.from({ length: INCONCLUSIVE_TRIES }, () => failed(offerA, 'UnknownOutcome'));
    expect(tried(choose(vanished.slice(1), { offers: [offerA, offerB] }))).toBe(offerId(offerB));
    expect(tried(choose(vanished.slice(1), { offers: [offerA] }))).toBe(offerId(offerA));
    expect(tried(choose(vanished, { offers: [offerA] }))).toBe('give-up');
  });
});

describe('giving up', () => {
  const why = (...kinds: ErrorKind[]) => {
    const attempts = kinds.map((kind, index) => failed(offers[index] as Offer, kind));
    const choice = choose(attempts, { now: later(START, HOUR) });
    return choice.choice === 'give-up' ? choice.failure : undefined;
  };

  it.each<[ErrorKind, ErrorKind[]]>([
    ['OutOfQuota', ['InsufficientResources', 'OutOfQuota', 'WaitTimeout']],
    ['Unauthenticated', ['InsufficientResources', 'Unauthenticated']],
    ['ImageNotFound', ['OutOfQuota', 'ImageNotFound']],
    ['InsufficientResources', ['UnknownOutcome', 'InsufficientResources', 'Internal']],
    ['SshUnreachable', ['WaitTimeout', 'SshUnreachable']],
  ])('says what a person can act on: %s', (telling, kinds) => expect(why(...kinds)?.kind).toBe(telling));

  it('names every offer that was tried, with its newest failure', () => {
    const message = why('InsufficientResources', 'OutOfQuota')?.message ?? '';
    expect(message).toContain(`${offerId(offerA)}: InsufficientResources`);
    expect(message).toContain(`${offerId(offerA2)}: OutOfQuota`);
    expect(message).toContain('2 skipped');
  });

  it('keeps what the provider said, for its support desk', () => {
    const said = { providerCode: 'quota-exceeded', httpStatus: 403, requestId: 'req-1' };
    expect(choose([failed(offerA, 'OutOfQuota', said)], { offers: [offerA] })).toMatchObject({
      choice: 'give-up',
      failure: said,
    });
  });

  it('forgets what a later attempt at the same offer has overtaken', () => {
    const attempts = [failed(offerA, 'OutOfQuota'), failed(offerA, 'InsufficientResources')];
    expect(choose(attempts, { now: later(START, HOUR) })).toMatchObject({
      failure: { kind: 'InsufficientResources' },
    });
  });
});

describe('any placement', () => {
  const attempts = fc.array(fc.tuple(fc.constantFrom(...offers), fc.constantFrom(...ERROR_KINDS), fc.nat(HOUR)), {
    maxLength: 12,
  });

  it('ends: tries one of the caller’s offers, waits for a moment that is to come, or gives up', () =>
    fc.assert(
      fc.property(attempts, fc.nat(2 * HOUR), (past, elapsed) => {
        const now = later(START, elapsed);
        const list = past.map(([offer, kind, at]) => failed(offer, kind, {}, later(START, Math.min(at, elapsed))));
        const choice = choose(list, { now });
        if (choice.choice === 'try') expect(offers).toContain(choice.offer);
        if (choice.choice === 'wait') expect(choice.until > now).toBe(true);
      }),
    ));
});
