import { NO_RULES } from '../../../src/domain/firewall.js';
import { fold, type InstanceEvent, type InstanceFact } from '../../../src/domain/instance/index.js';
import {
  attempted,
  BEGIN,
  began,
  created,
  east,
  failure,
  firewalled,
  parked,
  proof,
  ready,
  refused,
  requested,
  running,
  stamp,
  terminated,
  terminateRequested,
  west,
  zoned,
} from './lives.js';

const RULES = { ingressRules: [{ fromPort: 443, toPort: 443, ipRanges: ['203.0.113.0/24'] }], egressRules: [] };
const discard = (cloudId: string): InstanceFact => ({ type: 'MachineDiscarded', cloudId, proof: proof() });
const again = (attempt: number, lost: InstanceFact): InstanceFact[] => [
  attempted(attempt),
  created({ attempt, cloudId: `m-${attempt}` }),
  lost,
  discard(`m-${attempt}`),
];
const up = (attempt: number): InstanceFact[] => [
  attempted(attempt, zoned),
  created({ attempt, cloudId: `m-${attempt}`, offer: zoned, providerRequestId: 'req-1' }),
  running(),
  firewalled(),
  ready(),
];

/** Lives in which every type of event happens, and that fold. Frozen as the file of today's schema version. */
export const LIVES: Record<string, InstanceFact[]> = {
  'v-hard': [
    requested('v-hard', {
      tags: { team: 'a' },
      diskSize: { value: 200, unit: 'GiB' },
      imageId: 'ubuntu-22',
      firewallRules: RULES,
      userDataBase64: 'IyEvYmluL3No',
    }),
    attempted(1),
    refused(1),
    { type: 'CapacityAwaited', until: BEGIN },
    { type: 'StockReturned', offerId: 'sim-main/us-west-1/gpu_1x_a10' },
    attempted(2, east),
    refused(2, 'OutOfQuota'),
    attempted(3),
    { type: 'CredentialRefused', attempt: 3, failure: failure('Unauthenticated', { httpStatus: 401 }) },
    attempted(4),
    { type: 'ProviderUnavailable', attempt: 4, failure: failure('ServiceUnavailable', { retryAfterMs: 5_000 }) },
    attempted(5),
    { type: 'OfferRejected', attempt: 5, failure: failure('NotSupported') },
    attempted(6),
    { type: 'CreateOutcomeUnknown', attempt: 6, failure: failure('UnknownOutcome', { operation: 'createInstance' }) },
    { type: 'CreateConfirmedAbsent', attempt: 6, evidence: 'two complete listings without it' },
    ...again(7, {
      type: 'WaitTimedOut',
      waitingFor: 'the provider to report it running',
      failure: failure('WaitTimeout'),
    }),
    ...again(8, { type: 'MachineFailed', failure: failure('InstanceFailed') }),
    attempted(9),
    created({ attempt: 9, cloudId: 'm-9' }),
    running(),
    { type: 'FirewallFailed', failure: failure('FirewallUnverified') },
    {
      type: 'CleanupDebtOpened',
      cloudId: 'm-9',
      offer: west,
      failure: failure('NotYet'),
      pricePerHour: { amount: '1.29', currency: 'USD' },
    },
    { type: 'CleanupDebtClosed', cloudId: 'm-9', proof: proof() },
    discard('m-9'),
    attempted(10),
    created({ attempt: 10, cloudId: 'm-10' }),
    running(),
    firewalled(),
    { type: 'SshFailed', failure: failure('SshUnreachable') },
    discard('m-10'),
    attempted(11),
    { type: 'RequestRejected', attempt: 11, failure: failure('ImageNotFound') },
    parked('ImageNotFound'),
    { type: 'RetryRequested', requestId: 'r-retry', actor: 'ann' },
    ...up(12),
  ],
  'v-commands': [
    requested('v-commands'),
    ...up(1),
    { type: 'RebootRequested', requestId: 'r-1', actor: 'ann' },
    { type: 'InstanceRebooting' },
    { type: 'RebootRefused', failure: failure('NotYet') },
    { type: 'RebootRequested', requestId: 'r-2' },
    { type: 'InstanceRebooting' },
    { type: 'RebootAccepted' },
    running(),
    firewalled(),
    ready(),
    { type: 'StopRequested', requestId: 'r-3' },
    { type: 'InstanceStopping' },
    { type: 'StopRefused', failure: failure('NotSupported') },
    { type: 'StopRequested', requestId: 'r-4' },
    { type: 'InstanceStopping' },
    { type: 'InstanceStopped' },
    { type: 'StartRequested', requestId: 'r-5' },
    { type: 'InstanceStarting' },
    { type: 'StartRefused', failure: failure('InsufficientResources'), retryAt: BEGIN },
    { type: 'StartRequested', requestId: 'r-6' },
    { type: 'InstanceStarting' },
    { type: 'StartAccepted' },
    running(),
    firewalled(),
    ready(),
    { type: 'FirewallChangeRequested', requestId: 'r-7', rules: RULES },
    { type: 'ChangeApplied', change: { kind: 'firewall', requestId: 'r-7', rules: RULES } },
    { type: 'TagsChangeRequested', requestId: 'r-8', tags: { team: 'b' } },
    {
      type: 'ChangeRefused',
      change: { kind: 'tags', requestId: 'r-8', tags: { team: 'b' } },
      failure: failure('NotSupported'),
    },
    { type: 'VolumeResizeRequested', requestId: 'r-9', size: { value: 1, unit: 'TiB' } },
    { type: 'StoppedOutside', status: 'stopped', message: 'by the console' },
    { type: 'TypeChangeRequested', requestId: 'r-10', instanceType: 'gpu_8x_a100' },
    { type: 'StartedOutside' },
  ],
  'v-ends': [
    requested('v-ends', { firewallRules: NO_RULES }),
    ...up(1),
    { type: 'StrayFound', cloudId: 'm-late', offer: east, attemptKey: 'v-ends-1' },
    { type: 'StrayEnded', cloudId: 'm-late', proof: proof(BEGIN, 'terminated') },
    { type: 'MachineVanished', failure: failure('InstanceFailed') },
    { type: 'CleanupDebtOpened', cloudId: 'm-1', offer: zoned, failure: failure('NotYet') },
    { type: 'DebtReleased', cloudId: 'm-1', reason: 'seen gone in the console', requestId: 'r-11', actor: 'ann' },
    terminated(),
  ],
  'v-plain': [requested('v-plain'), ...up(1), terminateRequested(), began(), terminated()],
  'v-released': [
    requested('v-released'),
    attempted(1),
    { type: 'CreateOutcomeUnknown', attempt: 1, failure: failure('UnknownOutcome', { operation: 'createInstance' }) },
    { type: 'CreateReleased', attempt: 1, reason: 'none in the console', requestId: 'r-12', actor: 'ann' },
    ...up(2),
  ],
  'v-lost': [requested('v-lost'), { type: 'FactsLost', from: 1, state: fold(stamp([requested('v-lost')])) }, ...up(1)],
};

/** One line of a version's file: an event as the table held it. */
export interface StoredLine {
  schemaVersion: number;
  refId: string;
  event: InstanceEvent;
}

export function linesOf(schemaVersion: number): StoredLine[] {
  return Object.entries(LIVES).flatMap(([refId, facts]) =>
    stamp(facts).map((event) => ({ schemaVersion, refId, event })),
  );
}
