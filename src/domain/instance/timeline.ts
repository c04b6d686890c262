import { formatMs } from '../duration.js';
import type { FailureFact } from '../errors.js';
import type { FirewallRules } from '../firewall.js';
import { type IsoTime, toEpochMs } from '../ids.js';
import { offerId } from '../placement/offer.js';
import type { InstanceEvent, InstanceEventType } from './events.js';
import type { FirewallKind } from './state.js';

/** Whose doing an event is: a person's or service's order, Slipway's own move, or the provider's answer or act. */
export type Actor = 'person' | 'slipway' | 'provider';

/** One event as a row that a person reads. */
export interface TimelineRow {
  seq: number;
  at: IsoTime;
  /** Since the event before, in ms; 0 for the first, and where a clock ran behind. */
  gapMs: number;
  /** The same in words: `4m 3s`; '' where it is under a tenth of a second. */
  gap: string;
  /** Who: the name a caller gave, else `caller`; the provider's name once it is known, else `provider`; `slipway`. */
  actor: string;
  /** The attempt to create that it belongs to. */
  attempt?: number;
  event: InstanceEventType;
  /** What was seen, asked for or answered, in words; '' where the type says it all. */
  evidence: string;
}

/** A life as rows, oldest first. Events that begin in the middle of a life are shown as far as they tell. */
export function timeline(events: readonly InstanceEvent[]): TimelineRow[] {
  let provider = 'provider';
  let attempt: number | undefined;
  return events.map((event, index) => {
    const before = events[index - 1];
    const gapMs = before ? Math.max(0, toEpochMs(event.at) - toEpochMs(before.at)) : 0;
    if (event.type === 'InstanceCreated') provider = event.provider;
    if ('attempt' in event) attempt = event.attempt;
    const shown = ABOUT_AN_ATTEMPT.has(event.type) ? attempt : undefined;
    if (event.type === 'MachineDiscarded') attempt = undefined;
    return {
      seq: event.seq,
      at: event.at,
      gapMs,
      gap: gapMs < 100 ? '' : formatMs(gapMs),
      actor: actorOf(event, provider),
      ...(shown !== undefined && { attempt: shown }),
      event: event.type,
      evidence: evidenceOf(event),
    };
  });
}

/** Total: a new type of event does not compile before somebody said whose doing it is. */
const ACTORS: Record<InstanceEventType, Actor> = {
  InstanceRequested: 'person',
  CreateAttempted: 'slipway',
  CapacityAwaited: 'slipway',
  StockReturned: 'provider',
  FactsLost: 'slipway',
  CapacityRefused: 'provider',
  QuotaRefused: 'provider',
  CredentialRefused: 'provider',
  ProviderUnavailable: 'provider',
  OfferRejected: 'provider',
  RequestRejected: 'provider',
  CreateOutcomeUnknown: 'provider',
  CreateConfirmedAbsent: 'slipway',
  InstanceCreated: 'provider',
  InstanceRunning: 'provider',
  FirewallApplied: 'slipway',
  InstanceReady: 'slipway',
  WaitTimedOut: 'slipway',
  MachineFailed: 'provider',
  MachineVanished: 'provider',
  FirewallFailed: 'slipway',
  SshFailed: 'slipway',
  StopRefused: 'provider',
  StartRefused: 'provider',
  RebootRefused: 'provider',
  MachineDiscarded: 'slipway',
  InstanceParked: 'slipway',
  InstanceStopping: 'slipway',
  InstanceStopped: 'provider',
  InstanceStarting: 'slipway',
  StartAccepted: 'provider',
  InstanceRebooting: 'slipway',
  RebootAccepted: 'provider',
  StoppedOutside: 'provider',
  StartedOutside: 'provider',
  TerminationBegan: 'slipway',
  InstanceTerminated: 'slipway',
  CleanupDebtOpened: 'slipway',
  CleanupDebtClosed: 'slipway',
  StrayFound: 'slipway',
  StrayEnded: 'slipway',
  StopRequested: 'person',
  StartRequested: 'person',
  RebootRequested: 'person',
  TerminateRequested: 'person',
  RetryRequested: 'person',
  DebtReleased: 'person',
  CreateReleased: 'person',
  FirewallChangeRequested: 'person',
  TagsChangeRequested: 'person',
  TypeChangeRequested: 'person',
  VolumeResizeRequested: 'person',
  ChangeApplied: 'slipway',
  ChangeRefused: 'provider',
};

/** Every type of event there is. */
export const EVENT_TYPES = Object.keys(ACTORS) as readonly InstanceEventType[];

const ABOUT_AN_ATTEMPT: ReadonlySet<InstanceEventType> = new Set<InstanceEventType>([
  'CreateAttempted',
  'CapacityRefused',
  'QuotaRefused',
  'CredentialRefused',
  'ProviderUnavailable',
  'OfferRejected',
  'RequestRejected',
  'CreateOutcomeUnknown',
  'CreateConfirmedAbsent',
  'CreateReleased',
  'InstanceCreated',
  'InstanceRunning',
  'FirewallApplied',
  'InstanceReady',
  'WaitTimedOut',
  'MachineFailed',
  'MachineVanished',
  'FirewallFailed',
  'SshFailed',
  'MachineDiscarded',
]);

function actorOf(event: InstanceEvent, provider: string): string {
  const actor = ACTORS[event.type] ?? 'slipway'; // a newer version's event
  if (actor === 'person') return ('actor' in event && event.actor) || 'caller';
  return actor === 'provider' ? provider : actor;
}

/** What an event says beside its type. Nothing, for one that a newer version wrote and that names no failure. */
export function evidenceOf(event: InstanceEvent): string {
  switch (event.type) {
    case 'InstanceRequested':
      return `${event.request.name}: ${count(event.request.offers.length, 'offer')}, within ${event.request.policy.provisionWithin}`;
    case 'CreateAttempted':
      return offerId(event.offer);
    case 'CapacityAwaited':
      return `next look at ${event.until}`;
    case 'CreateConfirmedAbsent':
      return event.evidence;
    case 'InstanceCreated':
      return `${event.cloudId} at ${offerId(event.offer)}${event.adopted ? ', adopted' : ''}${requestIdText(event.providerRequestId)}`;
    case 'InstanceRunning':
      return `${event.sshUser}@${event.publicAddress} port ${event.sshPort}`;
    case 'FirewallApplied':
      return `${rulesText(event.rules)}, ${FIREWALLS[event.strategy]}`;
    case 'InstanceReady':
      return event.evidence;
    case 'WaitTimedOut':
      return `waiting for ${event.waitingFor}: ${failureText(event.failure)}`;
    case 'MachineDiscarded':
    case 'CleanupDebtClosed':
    case 'StrayEnded':
      return `${event.cloudId} ${event.proof.by}: ${event.proof.evidence}`;
    case 'InstanceTerminated':
      return `${event.proof.by}: ${event.proof.evidence}`;
    case 'InstanceParked':
      return `${event.reason}; ${failureText(event.failure)}`;
    case 'CleanupDebtOpened':
      return `${event.cloudId}: ${failureText(event.failure)}`;
    case 'StoppedOutside':
      return event.message ?? event.status;
    case 'StartedOutside':
      return event.message ?? '';
    case 'TerminationBegan':
      return event.cloudId;
    case 'StrayFound':
      return `${event.cloudId} at ${offerId(event.offer)}`;
    case 'DebtReleased':
      return `${event.cloudId}: ${event.reason}`;
    case 'CreateReleased':
      return event.reason;
    case 'TerminateRequested':
      return event.reason ?? '';
    case 'FirewallChangeRequested':
      return rulesText(event.rules);
    case 'TagsChangeRequested':
      return count(Object.keys(event.tags).length, 'tag');
    case 'TypeChangeRequested':
      return event.instanceType;
    case 'VolumeResizeRequested':
      return `${event.size.value} ${event.size.unit}`;
    case 'ChangeApplied':
      return event.change.kind;
    case 'FactsLost':
      return `the journal has none of ${event.from} to ${event.seq - 1}; by then it was ${event.state.phase}`;
    case 'ChangeRefused':
      return `${event.change.kind}: ${failureText(event.failure)}`;
    default:
      if ('offerId' in event) return event.offerId;
      return 'failure' in event && event.failure ? failureText(event.failure) : '';
  }
}

/** Kind, words, and what the provider's support desk asks for. */
export function failureText({ kind, message, providerCode, httpStatus, requestId }: FailureFact): string {
  const codes = [providerCode, httpStatus && `HTTP ${httpStatus}`].filter(Boolean).join(', ');
  return `${kind}: ${message}${codes && ` (${codes})`}${requestIdText(requestId)}`;
}

function requestIdText(requestId: string | undefined): string {
  return requestId ? `, request ${requestId}` : '';
}

const FIREWALLS: Record<FirewallKind, string> = {
  native: 'native',
  host: 'on the machine itself',
  none: 'no firewall at this provider',
};

function rulesText({ ingressRules, egressRules }: FirewallRules): string {
  const egress = egressRules.length > 0 ? ` and ${count(egressRules.length, 'egress rule')}` : '';
  return `${count(ingressRules.length, 'ingress rule')}${egress}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
