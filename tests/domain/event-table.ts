import {
  fold,
  type InstanceEventType,
  type InstanceFact,
  PHASES,
  type Phase,
} from '../../src/domain/instance/index.js';
import { offerId } from '../../src/domain/placement/offer.js';
import { START } from '../support/given.js';
import {
  attempted,
  created,
  debtOpened,
  failure,
  firewalled,
  machineFailed,
  offerA,
  parkedFor,
  proof,
  ready,
  requested,
  running,
  strayFound,
} from './stories.js';

const rules = { ingressRules: [], egressRules: [] };
const requestId = 'x';
const refused = { attempt: 1, failure: failure('Internal') };
const change = { kind: 'tags', requestId, tags: {} } as const;

const alive = [
  'pending',
  'firewalling',
  'connecting',
  'ready',
  'stopping',
  'stopped',
  'starting',
  'rebooting',
] as const;
const any = PHASES.filter((phase) => phase !== 'terminated');
const nowhere: Phase[] = [];

/** Every event type: an example, and the phases in which it can have happened. */
export const EVENTS: { [Type in InstanceEventType]: [Extract<InstanceFact, { type: Type }>, readonly Phase[]] } = {
  InstanceRequested: [requested(), nowhere],
  CreateAttempted: [attempted(), ['placing']],
  FactsLost: [{ type: 'FactsLost', from: 1, state: fold([{ ...requested(), seq: 1, at: START }]) }, PHASES],
  StockReturned: [{ type: 'StockReturned', offerId: offerId(offerA) }, ['placing']],
  CapacityAwaited: [{ type: 'CapacityAwaited', until: START }, ['placing']],
  CapacityRefused: [{ type: 'CapacityRefused', ...refused }, ['creating']],
  QuotaRefused: [{ type: 'QuotaRefused', ...refused }, ['creating']],
  CredentialRefused: [{ type: 'CredentialRefused', ...refused }, ['creating']],
  ProviderUnavailable: [{ type: 'ProviderUnavailable', ...refused }, ['creating']],
  OfferRejected: [{ type: 'OfferRejected', ...refused }, ['creating']],
  RequestRejected: [{ type: 'RequestRejected', ...refused }, ['creating']],
  CreateOutcomeUnknown: [{ type: 'CreateOutcomeUnknown', ...refused }, ['creating']],
  CreateConfirmedAbsent: [{ type: 'CreateConfirmedAbsent', attempt: 1, evidence: 'x' }, ['creating']],
  InstanceCreated: [created(), ['creating']],
  InstanceRunning: [running(), ['pending']],
  FirewallApplied: [firewalled(), any],
  InstanceReady: [ready(), ['connecting']],
  WaitTimedOut: [{ type: 'WaitTimedOut', waitingFor: 'x', failure: failure('WaitTimeout') }, alive],
  MachineFailed: [machineFailed(), alive],
  MachineVanished: [{ type: 'MachineVanished', failure: failure('InstanceFailed') }, alive],
  FirewallFailed: [{ type: 'FirewallFailed', failure: failure('Internal') }, ['firewalling', 'connecting']],
  SshFailed: [{ type: 'SshFailed', failure: failure('SshUnreachable') }, ['connecting']],
  StopRefused: [{ type: 'StopRefused', failure: failure('Internal') }, ['stopping']],
  StartRefused: [{ type: 'StartRefused', failure: failure('Internal') }, ['starting']],
  RebootRefused: [{ type: 'RebootRefused', failure: failure('Internal') }, ['rebooting']],
  MachineDiscarded: [{ type: 'MachineDiscarded', cloudId: 'm-1', proof: proof() }, ['discarding']],
  InstanceParked: [parkedFor(), ['placing']],
  InstanceStopping: [{ type: 'InstanceStopping' }, ['ready', 'pending', 'firewalling', 'connecting', 'parked']],
  InstanceStopped: [{ type: 'InstanceStopped' }, ['stopping']],
  InstanceStarting: [{ type: 'InstanceStarting' }, ['stopped']],
  StartAccepted: [{ type: 'StartAccepted' }, ['starting']],
  InstanceRebooting: [{ type: 'InstanceRebooting' }, ['ready']],
  RebootAccepted: [{ type: 'RebootAccepted' }, ['rebooting']],
  StoppedOutside: [{ type: 'StoppedOutside', status: 'stopped' }, ['ready']],
  StartedOutside: [{ type: 'StartedOutside' }, ['stopped']],
  TerminationBegan: [{ type: 'TerminationBegan', cloudId: 'm-1' }, [...alive, 'discarding']],
  InstanceTerminated: [{ type: 'InstanceTerminated', proof: proof() }, any],
  CleanupDebtOpened: [debtOpened(), any],
  CleanupDebtClosed: [{ type: 'CleanupDebtClosed', cloudId: 'm-1', proof: proof() }, PHASES],
  StrayFound: [strayFound(), PHASES],
  StrayEnded: [{ type: 'StrayEnded', cloudId: 'm-9', proof: proof() }, PHASES],
  StopRequested: [{ type: 'StopRequested', requestId }, any],
  StartRequested: [{ type: 'StartRequested', requestId }, any],
  RebootRequested: [{ type: 'RebootRequested', requestId }, any],
  TerminateRequested: [{ type: 'TerminateRequested', requestId }, any],
  RetryRequested: [{ type: 'RetryRequested', requestId }, any],
  DebtReleased: [{ type: 'DebtReleased', cloudId: 'm-1', reason: 'x', requestId }, PHASES],
  CreateReleased: [{ type: 'CreateReleased', attempt: 1, reason: 'x', requestId }, ['creating']],
  FirewallChangeRequested: [{ type: 'FirewallChangeRequested', rules, requestId }, any],
  TagsChangeRequested: [{ type: 'TagsChangeRequested', tags: {}, requestId }, any],
  TypeChangeRequested: [{ type: 'TypeChangeRequested', instanceType: 'x', requestId }, any],
  VolumeResizeRequested: [{ type: 'VolumeResizeRequested', size: { value: 1, unit: 'GiB' }, requestId }, any],
  ChangeApplied: [{ type: 'ChangeApplied', change }, any],
  ChangeRefused: [{ type: 'ChangeRefused', change, failure: failure('Internal') }, any],
};
