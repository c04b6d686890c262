import { describe, expect, it } from 'vitest';
import { ERROR_KINDS, type ErrorKind } from '../../src/domain/errors.js';
import type { InstanceFact } from '../../src/domain/instance/index.js';
import { offerId } from '../../src/domain/placement/offer.js';
import { given, later, START } from '../support/given.js';
import {
  attempted,
  cloudInstance,
  created,
  failure,
  LIVES,
  offerA,
  offerB,
  offerC,
  requested,
  TURNS,
} from './stories.js';

/** The error table, read for a create: what each kind is recorded as. */
const CREATE_ERRORS: Record<ErrorKind, InstanceFact['type']> = {
  InsufficientResources: 'CapacityRefused',
  OutOfQuota: 'QuotaRefused',
  Unauthenticated: 'CredentialRefused',
  PermissionDenied: 'CredentialRefused',
  RateLimited: 'ProviderUnavailable',
  ServiceUnavailable: 'ProviderUnavailable',
  NotYet: 'ProviderUnavailable',
  ImageNotFound: 'RequestRejected',
  InvalidRequest: 'OfferRejected',
  NotSupported: 'OfferRejected',
  ResourceNotFound: 'OfferRejected',
  InstanceNotFound: 'OfferRejected',
  // Whatever leaves a doubt is looked up, never taken for a refusal.
  Internal: 'CreateOutcomeUnknown',
  UnknownOutcome: 'CreateOutcomeUnknown',
  DuplicateFirewallRule: 'CreateOutcomeUnknown',
  WaitTimeout: 'CreateOutcomeUnknown',
  InstanceFailed: 'CreateOutcomeUnknown',
  SshUnreachable: 'CreateOutcomeUnknown',
  FirewallUnverified: 'CreateOutcomeUnknown',
};

describe('a create the provider did not accept', () => {
  it.each(ERROR_KINDS)('%s is recorded as what it means, with the attempt and the failure', (kind) => {
    const fact = failure(kind, 'as it was said');
    const state = given(...LIVES.creating)
      .when({ type: 'RecordCreateError', failure: fact })
      .then({ type: CREATE_ERRORS[kind], attempt: 1, failure: fact });
    const isUnknown = CREATE_ERRORS[kind] === 'CreateOutcomeUnknown';
    expect(state.phase).toBe(isUnknown ? 'creating' : 'placing');
    expect(state.attempts.at(-1)).toMatchObject({ outcome: isUnknown ? 'unknown' : 'failed', failure: fact });
  });

  it('never buys another machine while the outcome of a create is unknown', () => {
    given(...TURNS['creating, outcome unknown'])
      .when({ type: 'Reconcile' })
      .thenNothing();
  });
});

describe('a create whose answer was lost', () => {
  const unknown = TURNS['creating, outcome unknown'];

  it('adopts the machine that is found', () => {
    const state = given(...unknown)
      .when({ type: 'RecordCreated', instance: cloudInstance(), provider: 'sim', adopted: true })
      .then({ type: 'InstanceCreated', attempt: 1, cloudId: 'm-1', adopted: true });
    expect(state).toMatchObject({ phase: 'pending', machine: { adopted: true } });
    expect(state.attempts).toMatchObject([{ outcome: 'created' }]);
    expect(state.attempts[0]?.failure).toBeUndefined();
  });

  it('is looked up from when the answer was lost, not from when it was asked: it may have been made as late as that', () => {
    const lost = later(START, 30_000);
    const state = given(...LIVES.creating)
      .when({ type: 'RecordCreateError', failure: failure('UnknownOutcome') }, lost)
      .then({ type: 'CreateOutcomeUnknown' });
    expect(state.attempts).toMatchObject([{ at: later(START, 1_000), unknownSince: lost }]);
  });

  it('moves on once absence is proved, and counts the attempt as inconclusive', () => {
    const state = given(...unknown)
      .when({ type: 'RecordAbsent', evidence: 'two listings' })
      .then({ type: 'CreateConfirmedAbsent', attempt: 1, evidence: 'two listings' });
    expect(state).toMatchObject({
      phase: 'placing',
      attempts: [{ outcome: 'failed', failure: { kind: 'UnknownOutcome' } }],
    });
  });
});

describe('a machine that exists', () => {
  it('stands at the offer it is in fact at, not at the one that was tried', () => {
    const instance = cloudInstance({ location: 'us-west-9', subLocation: 'b', instanceType: 'gpu_2x_a10' });
    given(...LIVES.creating)
      .when({ type: 'RecordCreated', instance, provider: 'sim', adopted: true })
      .then({
        type: 'InstanceCreated',
        offer: { ...offerA, location: 'us-west-9', subLocation: 'b', instanceType: 'gpu_2x_a10' },
      });
  });

  it('keeps its price and the provider’s request id, where there are any', () => {
    const pricePerHour = { amount: '1.29', currency: 'USD' };
    given(...LIVES.creating)
      .when({
        type: 'RecordCreated',
        instance: cloudInstance({ pricePerHour }),
        provider: 'sim',
        adopted: false,
        providerRequestId: 'req-1',
      })
      .then({ type: 'InstanceCreated', pricePerHour, providerRequestId: 'req-1' });
  });
});

describe('placing the next one', () => {
  it('records the attempt, numbered on, before anybody is called', () => {
    given(requested()).when({ type: 'PlaceNext' }).then({ type: 'CreateAttempted', attempt: 1, offer: offerA });
  });

  it('goes to the next offer after a refusal', () => {
    given(...LIVES.creating, { type: 'CapacityRefused', attempt: 1, failure: failure('InsufficientResources') })
      .when({ type: 'PlaceNext' })
      .then({ type: 'CreateAttempted', attempt: 2, offer: offerB });
  });

  it('waits, and says so once, while no offer is worth asking', () => {
    const soldOut = [
      ...LIVES.creating,
      { type: 'CapacityRefused', attempt: 1, failure: failure('InsufficientResources') },
      attempted(2, offerB),
      { type: 'CapacityRefused', attempt: 2, failure: failure('InsufficientResources') },
    ] as const;
    const { awaitingUntil: until } = given(...soldOut)
      .when({ type: 'PlaceNext' })
      .then({ type: 'CapacityAwaited' });
    given(...soldOut, { type: 'CapacityAwaited', until: until as string })
      .when({ type: 'PlaceNext' })
      .thenNothing();
  });

  it('asks an offer again at once that has stock, and only one it asked for', () => {
    const soldOut: InstanceFact[] = [
      ...LIVES.creating,
      { type: 'CapacityRefused', attempt: 1, failure: failure('InsufficientResources') },
      attempted(2, offerB),
      { type: 'CapacityRefused', attempt: 2, failure: failure('InsufficientResources') },
      { type: 'CapacityAwaited', until: later(START, 3_000_000) },
    ];
    given(...soldOut)
      .when({ type: 'RecordStock', offerId: offerId(offerB) })
      .then({ type: 'StockReturned', offerId: offerId(offerB) });
    given(...soldOut, { type: 'StockReturned', offerId: offerId(offerB) })
      .when({ type: 'PlaceNext' })
      .then({ type: 'CreateAttempted', attempt: 3, offer: offerB });
    given(...soldOut)
      .when({ type: 'RecordStock', offerId: offerId(offerC) })
      .thenNothing();
    given(...LIVES.ready)
      .when({ type: 'RecordStock', offerId: offerId(offerA) })
      .thenNothing();
  });

  it('gives up at once on ImageNotFound, for every offer would fail alike', () => {
    const state = given(...LIVES.creating, { type: 'RequestRejected', attempt: 1, failure: failure('ImageNotFound') })
      .when({ type: 'PlaceNext' })
      .then({ type: 'InstanceParked', failure: { kind: 'ImageNotFound' } });
    expect(state.phase).toBe('parked');
  });

  it('parks, or ends with the failure as its result, as the policy says', () => {
    const late = later(START, 3_600_000);
    given(requested()).when({ type: 'PlaceNext' }, late).then({ type: 'InstanceParked' });
    const state = given(requested({ policy: { onFailure: 'terminate' } }))
      .when({ type: 'PlaceNext' }, late)
      .then({ type: 'InstanceTerminated', proof: { by: 'never-created' }, failure: { kind: 'WaitTimeout' } });
    expect(state).toMatchObject({ phase: 'terminated', desired: 'terminated', failure: { kind: 'WaitTimeout' } });
  });

  it('forgets the refusals of earlier rounds after a retry, and numbers on', () => {
    const state = given(...LIVES.parked, { type: 'RetryRequested', requestId: 'x' })
      .when({ type: 'PlaceNext' })
      .then({ type: 'CreateAttempted', attempt: 2, offer: offerA });
    expect(state.attempts).toHaveLength(2);
  });

  it('gives a retry the whole provisionWithin again', () => {
    const { state } = given(...LIVES.parked, { type: 'RetryRequested', requestId: 'x' });
    expect(state.provisionBy).toBe(later(state.since, 3_600_000));
    expect(state).toMatchObject({ phase: 'placing', desired: 'running', failure: undefined });
  });

  it('lets the next create go with the rules and tags that were asked for meanwhile', () => {
    const rules = { ingressRules: [{ fromPort: 443, toPort: 443, ipRanges: [] }], egressRules: [] };
    const { state } = given(
      requested(),
      { type: 'FirewallChangeRequested', rules, requestId: 'x' },
      { type: 'TagsChangeRequested', tags: { team: 'a' }, requestId: 'y' },
    );
    expect(state).toMatchObject({ firewallRules: rules, tags: { team: 'a' }, changes: [] });
  });

  it('keeps what was asked for while the create was under way as a change to apply', () => {
    const { state } = given(
      ...LIVES.creating,
      { type: 'TagsChangeRequested', tags: { team: 'a' }, requestId: 'y' },
      created(),
    );
    expect(state.changes).toMatchObject([{ kind: 'tags', tags: { team: 'a' } }]);
  });
});
