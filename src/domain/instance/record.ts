import { formatMs } from '../duration.js';
import type { FailureFact } from '../errors.js';
import { type IsoTime, toEpochMs, toIsoTime } from '../ids.js';
import { CAPACITY_GAP_MS, chooseOffer } from '../placement/choose.js';
import { jitter } from '../placement/jitter.js';
import { offerId } from '../placement/offer.js';
import { offerOf } from '../provider.js';
import type { Finding, Observation } from './commands.js';
import { startBy } from './deadlines.js';
import type { AbsenceProof, InstanceFact } from './events.js';
import { type Phase, STOPPABLE, WAITS_FOR } from './phase.js';
import { CorruptHistoryError, currentAttempt, type InstanceState, machineOf } from './state.js';

/**
 * What a finding amounts to, as facts. The error table's reactions live here: which refusal sets what aside, and what
 * ends a machine. Findings are never refused, for they have happened; one that changes nothing gives no facts.
 */
export function record(state: InstanceState, finding: Finding, now: IsoTime): InstanceFact[] {
  switch (finding.type) {
    case 'Reconcile':
      return reconcile(state, now);
    case 'PlaceNext':
      return placeNext(state, now);

    case 'RecordCreated': {
      const { instance, provider, adopted, hostFirewall, providerRequestId, usualBoot } = finding;
      const { attempt, offer } = currentAttempt(state);
      const actual = offerOf(instance, offer.cloudCredRefId);
      const { cloudId, capabilities, sshUser, sshPort, pricePerHour } = instance;
      return [
        {
          type: 'InstanceCreated',
          attempt,
          offer: instance.subLocation ? { ...actual, subLocation: instance.subLocation } : actual,
          provider,
          cloudId,
          adopted,
          capabilities,
          sshUser,
          sshPort,
          ...(hostFirewall && { hostFirewall }),
          ...(pricePerHour && { pricePerHour }),
          ...(providerRequestId && { providerRequestId }),
          ...(usualBoot && { usualBoot }),
        },
      ];
    }
    case 'RecordCreateError':
      return [createError(currentAttempt(state).attempt, finding.failure)];
    case 'RecordAbsent':
      return [{ type: 'CreateConfirmedAbsent', attempt: currentAttempt(state).attempt, evidence: finding.evidence }];

    case 'RecordObservation':
      return observed(state, finding.observation);
    case 'RecordWaitTimeout':
      return waitTimeout(state, now);
    case 'RecordFirewallApplied':
      return [{ type: 'FirewallApplied', rules: finding.rules, strategy: finding.strategy }];
    case 'RecordReady':
      return [{ type: 'InstanceReady', hostKey: finding.hostKey, evidence: finding.evidence }];
    case 'RecordStepError':
      return [stepError(state, finding.failure, now)];
    case 'RecordAccepted':
      return state.phase === 'starting' ? [{ type: 'StartAccepted' }] : [{ type: 'RebootAccepted' }];

    case 'RecordGone': {
      const { cloudId, proof } = finding;
      const owed = state.debts.some((debt) => debt.cloudId === cloudId);
      const closed: InstanceFact[] = owed ? [{ type: 'CleanupDebtClosed', cloudId, proof }] : [];
      if (state.phase === 'discarding') return [...closed, { type: 'MachineDiscarded', cloudId, proof }];
      return [...closed, { type: 'InstanceTerminated', proof }];
    }
    case 'RecordDebt': {
      const { cloudId, offer, pricePerHour } = machineOf(state);
      if (state.debts.some((debt) => debt.cloudId === cloudId) || state.ended.includes(cloudId)) return [];
      const { failure } = finding;
      return [{ type: 'CleanupDebtOpened', cloudId, offer, failure, ...(pricePerHour && { pricePerHour }) }];
    }
    case 'RecordStray': {
      const { cloudId, offer, attemptKey } = finding.observation;
      if (!offer || !isStray(state, finding.observation)) return [];
      return [{ type: 'StrayFound', cloudId, offer, ...(attemptKey && { attemptKey }) }];
    }
    case 'RecordStrayEnded':
      return [{ type: 'StrayEnded', cloudId: finding.cloudId, proof: finding.proof }];
    case 'RecordStock': {
      if (state.phase !== 'placing' || state.awaitingUntil === undefined) return [];
      const { offerId: returned } = finding;
      if (!state.request.offers.some((offer) => offerId(offer) === returned)) return [];
      return [{ type: 'StockReturned', offerId: returned }];
    }
    case 'RecordChange': {
      const { change, failure } = finding;
      if (!state.changes.some(({ requestId }) => requestId === change.requestId)) return []; // overtaken by a newer wish
      return [failure ? { type: 'ChangeRefused', change, failure } : { type: 'ChangeApplied', change }];
    }
  }
}

/** The level trigger: wanted against phase. One move at a time; the step of the new phase does the work. */
function reconcile(state: InstanceState, now: IsoTime): InstanceFact[] {
  const { phase, desired, machine } = state;
  if (desired === 'terminated') return end(state, now);
  if (desired === 'stopped' && STOPPABLE.has(phase)) return [{ type: 'InstanceStopping' }];
  if (desired === 'running' && phase === 'stopped')
    return now < (state.startRetry?.at ?? now) ? [] : [{ type: 'InstanceStarting' }];
  if (desired === 'running' && phase === 'ready' && state.rebootWanted && machine)
    return [{ type: 'InstanceRebooting' }];
  return [];
}

function end(state: InstanceState, at: IsoTime): InstanceFact[] {
  const { phase, machine } = state;
  if (phase === 'terminating' || phase === 'terminated') return [];
  if (phase === 'creating') return []; // its outcome comes first: what it made must be ended
  if (machine) {
    if (!state.ended.includes(machine.cloudId)) return [{ type: 'TerminationBegan', cloudId: machine.cloudId }];
    return [{ type: 'InstanceTerminated', proof: { by: 'released', at, evidence: 'released by a person' } }];
  }
  const evidence = state.attempts.length > 0 ? 'nothing that was created is left' : 'nothing was ever created';
  return [{ type: 'InstanceTerminated', proof: proofWithoutMachine(state, at, evidence) }];
}

/** What a person let go was not seen to be gone. */
function proofWithoutMachine({ attempts }: InstanceState, at: IsoTime, evidence: string): AbsenceProof {
  const released = attempts.filter((one) => one.released).map(({ attempt }) => attempt);
  if (released.length === 0) return { by: 'never-created', at, evidence };
  return { by: 'released', at, evidence: `what attempt ${released.join(', ')} made was released by a person` };
}

function placeNext(state: InstanceState, now: IsoTime): InstanceFact[] {
  const attempts = state.attempts.filter(({ attempt }) => attempt > state.roundFrom);
  const last = attempts.at(-1);
  const { offers, policy } = state.request;
  if (last?.failure && endsTheRequest(last.failure)) return giveUp(state, last.failure, now);

  const { provisionBy } = state;
  const choice = chooseOffer({
    offers,
    attempts,
    now,
    provisionBy,
    maxOffers: policy.maxOffers,
    restocked: state.restocked,
  });
  switch (choice.choice) {
    case 'try': {
      const attempt = (state.attempts.at(-1)?.attempt ?? 0) + 1;
      return [{ type: 'CreateAttempted', attempt, offer: choice.offer }];
    }
    case 'wait':
      return state.awaitingUntil === choice.until ? [] : [{ type: 'CapacityAwaited', until: choice.until }];
    case 'give-up':
      return giveUp(state, choice.failure, now);
  }
}

function giveUp(state: InstanceState, failure: FailureFact, at: IsoTime): InstanceFact[] {
  if (state.request.policy.onFailure === 'park') return [{ type: 'InstanceParked', failure, reason: failure.message }];
  const proof = proofWithoutMachine(state, at, 'no attempt left a machine behind');
  return [{ type: 'InstanceTerminated', proof, failure }];
}

function endsTheRequest({ kind }: FailureFact): boolean {
  return kind === 'ImageNotFound';
}

/** The error table, read for a create. */
function createError(attempt: number, failure: FailureFact): InstanceFact {
  switch (failure.kind) {
    case 'InsufficientResources':
      return { type: 'CapacityRefused', attempt, failure };
    case 'OutOfQuota':
      return { type: 'QuotaRefused', attempt, failure };
    case 'Unauthenticated':
    case 'PermissionDenied':
      return { type: 'CredentialRefused', attempt, failure };
    case 'RateLimited':
    case 'ServiceUnavailable':
    case 'NotYet':
      return { type: 'ProviderUnavailable', attempt, failure };
    case 'ImageNotFound':
      return { type: 'RequestRejected', attempt, failure };
    case 'InvalidRequest':
    case 'NotSupported':
    case 'ResourceNotFound':
    case 'InstanceNotFound':
      return { type: 'OfferRejected', attempt, failure };
    default: // Internal, UnknownOutcome, and whatever leaves a doubt
      return { type: 'CreateOutcomeUnknown', attempt, failure };
  }
}

/** How a machine that failed a step is named. */
function stepError(state: InstanceState, failure: FailureFact, now: IsoTime): InstanceFact {
  switch (state.phase) {
    case 'firewalling':
      return { type: 'FirewallFailed', failure };
    case 'connecting':
      return { type: failure.kind === 'FirewallUnverified' ? 'FirewallFailed' : 'SshFailed', failure };
    case 'stopping':
      return { type: 'StopRefused', failure };
    case 'starting':
      return startRefused(state, failure, now);
    case 'rebooting':
      return { type: 'RebootRefused', failure };
    default:
      throw new CorruptHistoryError(`a step failed in phase ${state.phase}`);
  }
}

/** Without stock a stopped machine stays stopped; it is tried again within the policy's time, and never replaced. */
function startRefused(state: InstanceState, failure: FailureFact, now: IsoTime): InstanceFact {
  const { refusals = 0, until = startBy(state, now) } = state.startRetry ?? {};
  const gap = Math.min(CAPACITY_GAP_MS.ceiling, CAPACITY_GAP_MS.first * 2 ** Math.min(refusals, 20));
  const retryAt = toIsoTime(toEpochMs(now) + jitter(gap, `${state.refId}#${refusals}`));
  const isWorthIt = failure.kind === 'InsufficientResources' && retryAt < until && state.desired === 'running';
  return { type: 'StartRefused', failure, ...(isWorthIt && { retryAt }) };
}

/** What an observation of our own machine means in this phase; older ones than the phase's beginning mean nothing. */
function observed(state: InstanceState, seen: Observation): InstanceFact[] {
  const { machine, phase } = state;
  if (!machine || seen.cloudId !== machine.cloudId || seen.at < state.freshFrom) return [];
  if (!WATCHED.has(phase)) return [];
  if (seen.status === 'absent' || seen.status === 'terminated')
    return [{ type: 'MachineVanished', failure: vanished(seen) }];
  if (seen.status === 'failed') return [{ type: 'MachineFailed', failure: failed(seen) }];
  switch (phase) {
    case 'pending': {
      if (seen.status !== 'running' || !seen.publicAddress) return [];
      const { publicAddress, privateAddress, portMappings } = seen;
      const { sshUser = machine.sshUser, sshPort = machine.sshPort } = seen;
      const price = machine.pricePerHour ? undefined : seen.pricePerHour;
      return [
        {
          type: 'InstanceRunning',
          publicAddress,
          ...(privateAddress && { privateAddress }),
          ...(portMappings && { portMappings }),
          sshUser,
          sshPort,
          ...(price && { pricePerHour: price }),
        },
      ];
    }
    case 'stopping':
      return seen.status === 'stopped' || seen.status === 'suspended' ? [{ type: 'InstanceStopped' }] : [];
    case 'ready': {
      const { status, message } = seen;
      if (status !== 'stopped' && status !== 'suspended') return [];
      return [{ type: 'StoppedOutside', status, ...(message && { message }) }];
    }
    case 'stopped':
      if (seen.status !== 'running' || state.desired !== 'stopped') return [];
      return [{ type: 'StartedOutside', ...(seen.message && { message: seen.message }) }];
    default:
      return [];
  }
}

/** Phases in which an observation can change something. */
const WATCHED: ReadonlySet<Phase> = new Set<Phase>([
  'pending',
  'stopping',
  'ready',
  'stopped',
  'firewalling',
  'connecting',
]);

function vanished({ status, message, at }: Observation): FailureFact {
  const how = status === 'absent' ? 'is no longer known to the provider' : 'was terminated at the provider';
  return {
    kind: 'InstanceFailed',
    message: `The machine ${how}, not by us (seen ${at})${message ? `: ${message}` : ''}.`,
  };
}

function failed({ message }: Observation): FailureFact {
  return {
    kind: 'InstanceFailed',
    message: `The provider reports that the machine failed${message ? `: ${message}` : ''}.`,
  };
}

/**
 * May a machine with our refId that we do not know be the one we are about to own? It is being created; or the first
 * create of this round is still to come, and that one adopts what it finds.
 */
export function mayBecomeOurs({ phase, attempts, roundFrom }: InstanceState): boolean {
  return phase === 'creating' || (phase === 'placing' && attempts.every(({ attempt }) => attempt <= roundFrom));
}

/** Live, with our refId, and neither ours nor known: a create that arrived late. */
export function isStray(state: InstanceState, seen: Observation): boolean {
  if (mayBecomeOurs(state)) return false;
  if (seen.cloudId === state.machine?.cloudId || state.ended.includes(seen.cloudId)) return false;
  if (state.debts.some(({ cloudId }) => cloudId === seen.cloudId)) return false;
  return !['absent', 'terminated', 'terminating'].includes(seen.status);
}

function waitTimeout(state: InstanceState, now: IsoTime): InstanceFact[] {
  const { phase } = state;
  const waited = formatMs(toEpochMs(now) - toEpochMs(state.since));
  const waitingFor = WAITS_FOR[phase];
  const message = `Waited ${waited} for ${waitingFor}.`;
  return [{ type: 'WaitTimedOut', waitingFor, failure: { kind: 'WaitTimeout', message } }];
}
