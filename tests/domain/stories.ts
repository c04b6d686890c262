import type { FailureFact } from '../../src/domain/errors.js';
import { NO_RULES } from '../../src/domain/firewall.js';
import type { CloudId } from '../../src/domain/ids.js';
import {
  type AbsenceProof,
  type InstanceFact,
  type InstanceRequestInput,
  type Observation,
  type Phase,
  toInstanceRequest,
} from '../../src/domain/instance/index.js';
import type { Offer } from '../../src/domain/placement/offer.js';
import type { CloudInstance, InstanceCapability } from '../../src/domain/provider.js';
import { START } from '../support/given.js';

export const offerA: Offer = { cloudCredRefId: 'sim-main', location: 'us-west-1', instanceType: 'gpu_1x_a10' };
export const offerB: Offer = { cloudCredRefId: 'sim-main', location: 'us-east-1', instanceType: 'gpu_1x_a10' };
export const offerC: Offer = { cloudCredRefId: 'sim-other', location: 'us-west-1', instanceType: 'gpu_1x_a10' };

export const PUBLIC_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMmPLRsTsGbJ3VXzFnTT2Y4g0X6b6xXWz0wOQp0b1kzL ann@host';
export const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHostHostHostHostHostHostHostHostHostHostHos';

export function requestInput(more: Partial<InstanceRequestInput> = {}): InstanceRequestInput {
  return { refId: 'ref-1', name: 'trainer-1', publicKey: PUBLIC_KEY, offers: [offerA, offerB], ...more };
}

export const ALL_CAPABILITIES: InstanceCapability[] = [
  'stop-start-instance',
  'reboot-instance',
  'modify-firewall',
  'tags',
  'change-instance-type',
  'resize-instance-volume',
];

export const failure = (kind: FailureFact['kind'], message: string = kind): FailureFact => ({ kind, message });
export const proof = (by: AbsenceProof['by'] = 'not-found'): AbsenceProof => ({ by, at: START, evidence: 'looked' });

export const requested = (more: Partial<InstanceRequestInput> = {}) =>
  ({
    type: 'InstanceRequested',
    request: toInstanceRequest(requestInput(more)),
  }) satisfies InstanceFact;
export const attempted = (attempt = 1, offer = offerA) =>
  ({ type: 'CreateAttempted', attempt, offer }) satisfies InstanceFact;
export const created = (more: { attempt?: number; cloudId?: CloudId; capabilities?: InstanceCapability[] } = {}) =>
  ({
    type: 'InstanceCreated',
    attempt: 1,
    offer: offerA,
    provider: 'sim',
    cloudId: 'm-1',
    adopted: false,
    capabilities: ALL_CAPABILITIES,
    sshUser: 'ubuntu',
    sshPort: 22,
    pricePerHour: { amount: '1.29', currency: 'USD' },
    ...more,
  }) satisfies InstanceFact;
export const running = () =>
  ({
    type: 'InstanceRunning',
    publicAddress: '203.0.113.7',
    sshUser: 'ubuntu',
    sshPort: 22,
  }) satisfies InstanceFact;
export const firewalled = () =>
  ({ type: 'FirewallApplied', rules: NO_RULES, strategy: 'native' }) satisfies InstanceFact;
export const ready = () => ({ type: 'InstanceReady', hostKey: HOST_KEY, evidence: 'ran true' }) satisfies InstanceFact;
export const machineFailed = () =>
  ({ type: 'MachineFailed', failure: failure('InstanceFailed') }) satisfies InstanceFact;
export const debtOpened = (cloudId = 'm-1') =>
  ({
    type: 'CleanupDebtOpened',
    cloudId,
    offer: offerA,
    failure: failure('WaitTimeout'),
  }) satisfies InstanceFact;
export const strayFound = (cloudId = 'm-9') => ({ type: 'StrayFound', cloudId, offer: offerA }) satisfies InstanceFact;
export const parkedFor = (kind: FailureFact['kind'] = 'OutOfQuota') =>
  ({
    type: 'InstanceParked',
    failure: failure(kind),
    reason: kind,
  }) satisfies InstanceFact;
/** A person's wish, as the event of that name. */
export const wish = (type: 'StopRequested' | 'StartRequested' | 'TerminateRequested' | 'RebootRequested') =>
  ({ type, requestId: `earlier-${type}` }) satisfies InstanceFact;

/** What the provider shows of a machine. */
export function seen(status: Observation['status'], more: Partial<Observation> = {}): Observation {
  return { cloudId: 'm-1', at: '2026-03-01T12:59:59.000Z', status, ...more };
}

export function cloudInstance(more: Partial<CloudInstance> = {}): CloudInstance {
  return {
    cloudId: 'm-1',
    refId: 'ref-1',
    name: 'trainer-1',
    status: 'pending',
    location: offerA.location,
    instanceType: offerA.instanceType,
    instanceTypeId: 'us-west-1-noSub-gpu_1x_a10',
    sshUser: 'ubuntu',
    sshPort: 22,
    createdAt: START,
    tags: {},
    capabilities: ALL_CAPABILITIES,
    ...more,
  };
}

const creating = [requested(), attempted()];
const pending = [...creating, created()];
const firewalling = [...pending, running()];
const connecting = [...firewalling, firewalled()];
const readyFacts = [...connecting, ready()];
const stopping = [...readyFacts, wish('StopRequested'), { type: 'InstanceStopping' } as const];
const stopped = [...stopping, { type: 'InstanceStopped' } as const];
const starting = [...stopped, wish('StartRequested'), { type: 'InstanceStarting' } as const];
const terminating = [...readyFacts, wish('TerminateRequested'), { type: 'TerminationBegan', cloudId: 'm-1' } as const];
const discarding = [...pending, machineFailed()];
const refused: InstanceFact = { type: 'QuotaRefused', attempt: 1, failure: failure('OutOfQuota') };

/** A life that leads to each phase, by the shortest way. */
export const LIVES = {
  placing: [requested()],
  creating,
  pending,
  firewalling,
  connecting,
  ready: readyFacts,
  stopping,
  stopped,
  starting,
  rebooting: [...readyFacts, wish('RebootRequested'), { type: 'InstanceRebooting' }],
  discarding,
  terminating,
  terminated: [...terminating, { type: 'InstanceTerminated', proof: proof() }],
  parked: [...creating, refused, parkedFor()],
} as const satisfies Record<Phase, InstanceFact[]>;

/** The same phases on other ways: what was wanted, owed or handed over before makes a difference. */
export const TURNS = {
  'creating, outcome unknown': [
    ...creating,
    { type: 'CreateOutcomeUnknown', attempt: 1, failure: failure('UnknownOutcome') },
  ],
  'pending after a start': [...starting, { type: 'StartAccepted' }],
  'parked with its machine': [...readyFacts, machineFailed()],
  'discarding with a debt': [...discarding, debtOpened()],
  'terminating with a debt': [...terminating, debtOpened()],
  'terminated with a stray': [...LIVES.terminated, strayFound()],
  'ready, a stop wanted': [...readyFacts, wish('StopRequested')],
  'ready, a reboot wanted': [...readyFacts, wish('RebootRequested')],
  'ready, an end wanted': [...readyFacts, wish('TerminateRequested')],
  'stopped, a start waits for stock': [
    ...starting,
    { type: 'StartRefused', failure: failure('InsufficientResources'), retryAt: '2026-03-01T12:30:00.000Z' },
  ],
  'stopped, a start wanted': [...stopped, wish('StartRequested')],
  'parked, an end wanted': [...LIVES.parked, wish('TerminateRequested')],
} as const satisfies Record<string, InstanceFact[]>;

/** Every situation, by name. */
export const SITUATIONS = { ...LIVES, ...TURNS };
export type Situation = keyof typeof SITUATIONS;
