import type { ErrorKind, FailureFact } from '../../../src/domain/errors.js';
import { NO_RULES } from '../../../src/domain/firewall.js';
import { type IsoTime, toEpochMs, toIsoTime } from '../../../src/domain/ids.js';
import {
  type AbsenceProof,
  type InstanceEvent,
  type InstanceFact,
  type InstanceRequestInput,
  toInstanceRequest,
} from '../../../src/domain/instance/index.js';
import type { Offer } from '../../../src/domain/placement/offer.js';

export const BEGIN: IsoTime = '2026-03-01T12:00:00.000Z';

export const west: Offer = { cloudCredRefId: 'sim-main', location: 'us-west-1', instanceType: 'gpu_1x_a10' };
export const east: Offer = { cloudCredRefId: 'sim-main', location: 'us-east-1', instanceType: 'gpu_1x_a10' };
export const zoned: Offer = {
  cloudCredRefId: 'sim-other',
  location: 'eu',
  subLocation: 'a',
  instanceType: 'gpu_8x_h100',
};

const PUBLIC_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMmPLRsTsGbJ3VXzFnTT2Y4g0X6b6xXWz0wOQp0b1kzL ann@host';
const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHostHostHostHostHostHostHostHostHostHostHos';

export const failure = (kind: ErrorKind, more: Partial<FailureFact> = {}): FailureFact => ({
  kind,
  message: `${kind} at the provider`,
  ...more,
});
export const proof = (at: IsoTime = BEGIN, by: AbsenceProof['by'] = 'not-found'): AbsenceProof => ({
  by,
  at,
  evidence: 'the provider does not know it, twice',
});

export const requested = (refId: string, more: Partial<InstanceRequestInput> = {}): InstanceFact => ({
  type: 'InstanceRequested',
  request: toInstanceRequest({
    refId,
    name: `name-${refId}`,
    publicKey: PUBLIC_KEY,
    offers: [west, east, zoned],
    ...more,
  }),
});
export const attempted = (attempt = 1, offer = west): InstanceFact => ({ type: 'CreateAttempted', attempt, offer });
export const refused = (attempt = 1, kind: ErrorKind = 'InsufficientResources'): InstanceFact =>
  kind === 'OutOfQuota'
    ? { type: 'QuotaRefused', attempt, failure: failure(kind) }
    : { type: 'CapacityRefused', attempt, failure: failure(kind, { providerCode: 'no-stock', requestId: 'req-7' }) };
export const created = (more: Partial<Extract<InstanceFact, { type: 'InstanceCreated' }>> = {}): InstanceFact => ({
  type: 'InstanceCreated',
  attempt: 1,
  offer: west,
  provider: 'sim',
  cloudId: 'm-1',
  adopted: false,
  capabilities: ['stop-start-instance', 'reboot-instance'],
  sshUser: 'ubuntu',
  sshPort: 22,
  pricePerHour: { amount: '1.29', currency: 'USD' },
  ...more,
});
export const running = (): InstanceFact => ({
  type: 'InstanceRunning',
  publicAddress: '203.0.113.7',
  sshUser: 'ubuntu',
  sshPort: 22,
});
export const firewalled = (): InstanceFact => ({ type: 'FirewallApplied', rules: NO_RULES, strategy: 'native' });
export const ready = (): InstanceFact => ({ type: 'InstanceReady', hostKey: HOST_KEY, evidence: 'ran true' });
export const terminateRequested = (): InstanceFact => ({
  type: 'TerminateRequested',
  requestId: 'r-end',
  actor: 'ann',
  reason: 'done with it',
});
export const began = (cloudId = 'm-1'): InstanceFact => ({ type: 'TerminationBegan', cloudId });
export const terminated = (at?: IsoTime): InstanceFact => ({ type: 'InstanceTerminated', proof: proof(at) });
export const parked = (kind: ErrorKind = 'OutOfQuota'): InstanceFact => ({
  type: 'InstanceParked',
  failure: failure(kind),
  reason: 'every offer was tried',
});

/** Facts with their places: one each `stepMs` from `begin`. */
export function stamp(facts: readonly InstanceFact[], begin: IsoTime = BEGIN, stepMs = 1_000): InstanceEvent[] {
  return facts.map((fact, index) => ({ ...fact, seq: index + 1, at: toIsoTime(toEpochMs(begin) + index * stepMs) }));
}

/** The shapes that lives take: each a whole story of one instance. `{n}` keeps machines of many instances apart. */
export const SHAPES: Record<string, (refId: string, offer: Offer) => InstanceFact[]> = {
  ready: (refId, offer) => [
    requested(refId),
    attempted(1, offer),
    created({ offer, cloudId: `m-${refId}` }),
    running(),
    firewalled(),
    ready(),
  ],
  refusedThenReady: (refId, offer) => [
    requested(refId),
    attempted(1, offer),
    refused(1),
    attempted(2, east),
    created({ attempt: 2, offer: east, cloudId: `m-${refId}`, pricePerHour: { amount: '0.000123', currency: 'EUR' } }),
    running(),
    firewalled(),
    ready(),
  ],
  terminated: (refId, offer) => [
    ...(SHAPES.ready?.(refId, offer) ?? []),
    terminateRequested(),
    began(`m-${refId}`),
    terminated('2026-03-01T13:00:00.000Z'),
  ],
  parked: (refId, offer) => [requested(refId), attempted(1, offer), refused(1, 'OutOfQuota'), parked()],
  lostAndFound: (refId, offer) => [
    requested(refId),
    attempted(1, offer),
    { type: 'CreateOutcomeUnknown', attempt: 1, failure: failure('UnknownOutcome') },
    { type: 'CreateConfirmedAbsent', attempt: 1, evidence: 'looked twice' },
    attempted(2, zoned),
    created({ attempt: 2, offer: zoned, cloudId: `m-${refId}`, adopted: true, pricePerHour: undefined }),
    {
      type: 'StrayFound',
      cloudId: `stray-${refId}`,
      offer: { ...offer, pricePerHour: { amount: '2', currency: 'USD' } },
    },
    running(),
    firewalled(),
    ready(),
    { type: 'StrayEnded', cloudId: `stray-${refId}`, proof: proof('2026-03-01T12:30:00.000Z', 'terminated') },
  ],
  discarded: (refId, offer) => [
    requested(refId),
    attempted(1, offer),
    created({ offer, cloudId: `m-${refId}` }),
    { type: 'MachineFailed', failure: failure('InstanceFailed') },
    { type: 'CleanupDebtOpened', cloudId: `m-${refId}`, offer, failure: failure('NotYet') },
  ],
};

/** A repeatable random number in [0, 1). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
