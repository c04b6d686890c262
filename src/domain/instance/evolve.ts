import { toMs } from '../duration.js';
import type { FailureFact } from '../errors.js';
import { bothRules, sameRules } from '../firewall.js';
import { type IsoTime, toEpochMs, toIsoTime } from '../ids.js';
import { startBy } from './deadlines.js';
import type { InstanceEvent, InstanceEventType } from './events.js';
import { FINAL, IN_USE, type Phase, STOPPABLE } from './phase.js';
import {
  type Attempt,
  type Change,
  CorruptHistoryError,
  currentAttempt,
  type Debt,
  type Desired,
  ENDED_LIMIT,
  HANDLED_LIMIT,
  type InstanceState,
  type Machine,
  machineOf,
} from './state.js';

/** Folds a whole life. */
export function fold(events: readonly InstanceEvent[]): InstanceState {
  const [first, ...rest] = events;
  if (!first) throw new CorruptHistoryError('no events');
  return rest.reduce(evolve, open(first));
}

/** The state right after the first event. */
export function open(event: InstanceEvent): InstanceState {
  if (event.type === 'FactsLost') return goOn(event);
  if (event.type !== 'InstanceRequested') throw new CorruptHistoryError(`begins with ${event.type}`);
  const { request, at, seq } = event;
  return {
    refId: request.refId,
    request,
    phase: 'placing',
    since: at,
    seq,
    desired: 'running',
    rebootWanted: false,
    handedOver: false,
    freshFrom: at,
    provisionBy: provisionBy(at, request.policy.provisionWithin),
    attempts: [],
    roundFrom: 0,
    firewallRules: request.firewallRules,
    tags: request.tags,
    ...(request.diskSize && { diskSize: request.diskSize }),
    changes: [],
    debts: [],
    ended: [],
    handled: [],
  };
}

/** Folds one fact into the state. To refuse is `decide`'s work; by now it has happened. */
export function evolve(before: InstanceState, event: InstanceEvent): InstanceState {
  if (event.type === 'FactsLost') return goOn(event); // whatever is missing between the two
  if (event.seq !== before.seq + 1) throw new CorruptHistoryError(`event ${event.seq} after ${before.seq}`);
  if (FINAL.has(before.phase) && !AFTER_THE_END.has(event.type)) inPhase(before, event);
  const state = { ...before, seq: event.seq };
  switch (event.type) {
    case 'InstanceRequested':
      throw new CorruptHistoryError('InstanceRequested twice');

    case 'CreateAttempted': {
      const attempt: Attempt = { attempt: event.attempt, offer: event.offer, at: event.at, outcome: 'open' };
      const placed = { ...inPhase(state, event, 'placing'), attempts: [...state.attempts, attempt] };
      return enter(
        'creating',
        { ...placed, awaitingUntil: undefined, bootRules: undefined, freshFrom: event.at },
        event,
      );
    }
    case 'CapacityAwaited':
      return { ...inPhase(state, event, 'placing'), awaitingUntil: event.until };
    case 'StockReturned': {
      const restocked = { ...state.restocked, [event.offerId]: event.at };
      return { ...inPhase(state, event, 'placing'), restocked, awaitingUntil: undefined };
    }
    case 'CapacityRefused':
    case 'QuotaRefused':
    case 'CredentialRefused':
    case 'ProviderUnavailable':
    case 'OfferRejected':
    case 'RequestRejected':
      return enter('placing', failAttempt(inPhase(state, event, 'creating'), event.failure, event.at), event);
    case 'CreateOutcomeUnknown': {
      const { at: unknownSince, failure } = event;
      return changeAttempt(inPhase(state, event, 'creating'), { outcome: 'unknown', unknownSince, failure });
    }
    case 'CreateConfirmedAbsent':
      return callAbsent(state, event, event.evidence);
    case 'InstanceCreated': {
      const machine: Machine = {
        cloudId: event.cloudId,
        provider: event.provider,
        offer: event.offer,
        attempt: event.attempt,
        adopted: event.adopted,
        createdAt: event.at,
        capabilities: event.capabilities,
        sshUser: event.sshUser,
        sshPort: event.sshPort,
        ...(event.hostFirewall && { hostFirewall: event.hostFirewall }),
        ...(event.pricePerHour && { pricePerHour: event.pricePerHour }),
        ...(event.usualBoot && { usualBoot: event.usualBoot }),
      };
      const created = changeAttempt(inPhase(state, event, 'creating'), { outcome: 'created', failure: undefined });
      const bare = { appliedRules: undefined, appliedTags: state.tags, failure: undefined };
      // One that a person let go was found alive, and is ours again: to be ended like any other.
      const ended = state.ended.filter((cloudId) => cloudId !== event.cloudId);
      return enter('pending', { ...created, machine, ended, ...bare }, event);
    }

    case 'InstanceRunning': {
      const { publicAddress, privateAddress, portMappings, sshUser, sshPort, pricePerHour } = event;
      const machine: Machine = {
        ...machineOf(inPhase(state, event, 'pending')),
        publicAddress,
        sshUser,
        sshPort,
        ...(privateAddress && { privateAddress }),
        portMappings,
        ...(pricePerHour && { pricePerHour }),
      };
      return enter('firewalling', { ...state, machine }, event);
    }
    case 'FirewallApplied': {
      // A wish that came while these were being applied is still to be done.
      const changes = state.changes.filter((one) => one.kind !== 'firewall' || !sameRules(one.rules, event.rules));
      const { appliedRules: replaced, doubtfulRules: doubtful } = state;
      const isChanged = replaced !== undefined && !sameRules(replaced, event.rules);
      const doubtfulRules = isChanged ? bothRules(doubtful, replaced) : doubtful;
      const applied = { ...state, appliedRules: event.rules, doubtfulRules, changes };
      return state.phase === 'firewalling' ? enter('connecting', applied, event) : applied;
    }
    case 'InstanceReady': {
      const machine = { ...machineOf(inPhase(state, event, 'connecting')), hostKey: event.hostKey };
      return enter(
        'ready',
        { ...state, machine, handedOver: true, failure: undefined, doubtfulRules: undefined },
        event,
      );
    }

    case 'FirewallFailed':
      return loseMachine(inPhase(state, event, 'firewalling', 'connecting'), event, event.failure);
    case 'SshFailed':
      return loseMachine(inPhase(state, event, 'connecting'), event, event.failure);
    case 'WaitTimedOut':
    case 'MachineFailed':
      return loseMachine(inPhase(state, event, ...IN_USE), event, event.failure);
    case 'MachineVanished': {
      if (!inPhase(state, event, ...IN_USE).handedOver) return loseMachine(state, event, event.failure);
      // Its user has lost it, and nothing is left to keep: ending it proves that it is gone.
      return enter('terminating', { ...state, desired: 'terminated', failure: event.failure }, event);
    }
    case 'StopRefused':
      return enter(
        'ready',
        { ...inPhase(state, event, 'stopping'), desired: unlessEnding(state, 'running'), failure: event.failure },
        event,
      );
    case 'StartRefused': {
      const { failure, retryAt } = event;
      const refused = { ...inPhase(state, event, 'starting'), failure };
      if (!retryAt) return enter('stopped', giveUpStarting(refused), event);
      const refusals = (state.startRetry?.refusals ?? 0) + 1;
      const until = state.startRetry?.until ?? startBy(state, event.at);
      return enter('stopped', { ...refused, startRetry: { refusals, at: retryAt, until } }, event);
    }
    case 'RebootRefused':
      return enter('ready', { ...inPhase(state, event, 'rebooting'), failure: event.failure }, event);
    case 'MachineDiscarded':
      return enter('placing', endMachine(inPhase(state, event, 'discarding'), event.cloudId), event);
    case 'InstanceParked':
      return enter('parked', { ...inPhase(state, event, 'placing'), failure: event.failure }, event);

    case 'InstanceStopping': {
      const stopping = { ...inPhase(state, event, ...STOPPABLE), freshFrom: event.at, rebootWanted: false };
      return enter('stopping', { ...stopping, failure: undefined }, event);
    }
    case 'InstanceStopped':
      return enter('stopped', { ...inPhase(state, event, 'stopping'), failure: undefined }, event);
    case 'InstanceStarting':
      return enter('starting', { ...inPhase(state, event, 'stopped'), freshFrom: event.at, failure: undefined }, event);
    case 'StartAccepted':
      return enter('pending', inPhase(state, event, 'starting'), event);
    case 'InstanceRebooting': {
      const rebooting = { ...inPhase(state, event, 'ready'), freshFrom: event.at, rebootWanted: false };
      return enter('rebooting', { ...rebooting, failure: undefined }, event);
    }
    case 'RebootAccepted':
      return enter('pending', { ...inPhase(state, event, 'rebooting'), freshFrom: event.at }, event);
    case 'StoppedOutside': {
      const desired = unlessEnding(state, 'stopped');
      return enter('stopped', { ...inPhase(state, event, 'ready'), desired, rebootWanted: false }, event);
    }
    case 'StartedOutside': {
      const desired = unlessEnding(state, 'running');
      const started = { ...inPhase(state, event, 'stopped'), desired, failure: undefined };
      return enter('pending', started, event);
    }

    case 'TerminationBegan':
      machineOf(state);
      return enter('terminating', inPhase(state, event, ...IN_USE, 'parked', 'discarding'), event);
    case 'InstanceTerminated': {
      const over = state.machine ? endMachine(state, state.machine.cloudId) : state;
      const failure = event.failure ?? state.failure;
      return enter('terminated', { ...over, desired: 'terminated', terminated: event.proof, failure }, event);
    }
    case 'CleanupDebtOpened': {
      const { cloudId, offer, failure, pricePerHour } = event;
      return addDebt(state, { cloudId, offer, since: event.at, cause: 'undeleted', failure, pricePerHour });
    }
    case 'CleanupDebtClosed':
      return dropDebt(state, event.cloudId);
    case 'StrayFound':
      return addDebt(state, { cloudId: event.cloudId, offer: event.offer, since: event.at, cause: 'stray' });
    case 'StrayEnded':
      return { ...dropDebt(state, event.cloudId), ended: remember(state.ended, event.cloudId) };

    case 'StopRequested':
      return { ...handle(state, event), desired: 'stopped', startRetry: undefined };
    case 'StartRequested':
      return { ...handle(state, event), desired: 'running', failure: undefined, startRetry: undefined };
    case 'RebootRequested':
      return { ...handle(state, event), rebootWanted: true };
    case 'TerminateRequested':
      return { ...handle(state, event), desired: 'terminated' };
    case 'RetryRequested':
      return retry(handle(state, event), event);
    case 'DebtReleased': {
      const released = dropDebt(handle(state, event), event.cloudId);
      return { ...released, ended: remember(state.ended, event.cloudId) };
    }
    case 'CreateReleased':
      return callAbsent(changeAttempt(handle(state, event), { released: true }), event, event.reason);
    case 'FirewallChangeRequested': {
      const { requestId, rules } = event;
      const wanting = { ...handle(overtakeRules(state), event), firewallRules: rules };
      return want(wanting, { kind: 'firewall', requestId, rules });
    }
    case 'TagsChangeRequested': {
      const { requestId, tags } = event;
      return want({ ...handle(state, event), tags }, { kind: 'tags', requestId, tags });
    }
    case 'TypeChangeRequested': {
      const { requestId, instanceType } = event;
      return want(handle(state, event), { kind: 'instanceType', requestId, instanceType });
    }
    case 'VolumeResizeRequested':
      return want(handle(state, event), { kind: 'volume', requestId: event.requestId, size: event.size });
    case 'ChangeApplied':
      return applyChange(state, event.change);
    case 'ChangeRefused': {
      const refused = { ...dropChange(state, event.change), failure: event.failure };
      if (event.change.kind === 'tags') return { ...refused, tags: state.appliedTags ?? state.request.tags };
      if (event.change.kind !== 'firewall') return refused;
      const firewallRules = state.appliedRules ?? state.request.firewallRules;
      return { ...refused, firewallRules, doubtfulRules: bothRules(state.doubtfulRules, event.change.rules) };
    }

    default: // does not compile while a case is missing; throws when a newer version wrote the history
      return unknownEvent(event);
  }
}

function goOn({ state, seq }: Extract<InstanceEvent, { type: 'FactsLost' }>): InstanceState {
  return { ...state, seq };
}

/** What can still be said of an instance that is over: machines that arrived late, and what is owed. */
const AFTER_THE_END: ReadonlySet<InstanceEventType> = new Set<InstanceEventType>([
  'StrayFound',
  'StrayEnded',
  'CleanupDebtClosed',
  'DebtReleased',
]);

function unknownEvent(event: never): never {
  throw new CorruptHistoryError(`unknown event ${(event as InstanceEvent).type}: a newer version wrote it`);
}

/** Narrows to the phases in which the event can have happened, or throws. */
function inPhase(state: InstanceState, event: InstanceEvent, ...phases: Phase[]): InstanceState {
  if (phases.includes(state.phase)) return state;
  throw new CorruptHistoryError(`${event.type} (seq ${event.seq}) in phase ${state.phase}`);
}

function enter(phase: Phase, state: InstanceState, event: InstanceEvent): InstanceState {
  // Waiting for stock belongs to a stopped machine that is to start; whatever else begins has ended it.
  const startRetry = phase === 'stopped' || phase === 'starting' ? state.startRetry : undefined;
  return { ...state, startRetry, phase, since: event.at };
}

function provisionBy(at: IsoTime, within: string): IsoTime {
  return toIsoTime(toEpochMs(at) + toMs(within));
}

function giveUpStarting(state: InstanceState): InstanceState {
  return { ...state, desired: unlessEnding(state, 'stopped'), startRetry: undefined };
}

function changeAttempt(state: InstanceState, change: Partial<Attempt>): InstanceState {
  const attempt = { ...currentAttempt(state), ...change };
  return { ...state, attempts: [...state.attempts.slice(0, -1), attempt] };
}

function failAttempt(state: InstanceState, failure: FailureFact, at: IsoTime): InstanceState {
  return { ...changeAttempt(state, { outcome: 'failed', failure, failedAt: at }), failure };
}

/** The create whose answer was lost made nothing: the next attempt may come. */
function callAbsent(state: InstanceState, event: InstanceEvent, evidence: string): InstanceState {
  const { failure } = currentAttempt(state);
  const absent: FailureFact = { ...(failure ?? { message: evidence }), kind: 'UnknownOutcome' };
  return enter('placing', failAttempt(inPhase(state, event, 'creating'), absent, event.at), event);
}

/** A machine that was never handed over is ended; one that was is kept, and a person decides. */
function loseMachine(state: InstanceState, event: InstanceEvent, failure: FailureFact): InstanceState {
  if (!state.handedOver) return enter('discarding', failAttempt(state, failure, event.at), event);
  // What was wanted is forgotten, or the loop would try the same again at once; not so a wish to end it.
  const desired = unlessEnding(state, 'running');
  return enter('parked', { ...state, desired, failure, rebootWanted: false }, event);
}

/** No refusal, failure or stranger's deed undoes a wish to end it: the machine would bill on. */
function unlessEnding(state: InstanceState, desired: Desired): Desired {
  return state.desired === 'terminated' ? 'terminated' : desired;
}

function endMachine(state: InstanceState, cloudId: string): InstanceState {
  const gone = { ...dropDebt(state, cloudId), machine: undefined, appliedRules: undefined, doubtfulRules: undefined };
  return { ...gone, ended: remember(state.ended, cloudId) };
}

function remember(list: readonly string[], id: string): string[] {
  return [...list.filter((known) => known !== id), id].slice(-ENDED_LIMIT);
}

function addDebt(state: InstanceState, debt: Debt): InstanceState {
  return { ...state, debts: [...state.debts.filter(({ cloudId }) => cloudId !== debt.cloudId), debt] };
}

function dropDebt(state: InstanceState, cloudId: string): InstanceState {
  return { ...state, debts: state.debts.filter((debt) => debt.cloudId !== cloudId) };
}

type Requested = Extract<InstanceEvent, { requestId: string }>;

function handle(state: InstanceState, event: Requested): InstanceState {
  const handled = [...state.handled, { requestId: event.requestId, seq: event.seq }].slice(-HANDLED_LIMIT);
  return { ...state, handled, lastCommand: { type: event.type, actor: event.actor, at: event.at } };
}

/** Begins a new round: earlier refusals are forgotten. A kept machine is looked at again instead. */
function retry(state: InstanceState, event: InstanceEvent): InstanceState {
  if (state.phase !== 'parked' || state.desired === 'terminated') return state;
  const desired: Desired = 'running';
  const fresh = { ...state, desired, failure: undefined, freshFrom: event.at };
  if (state.machine) return enter('pending', fresh, event);
  const roundFrom = state.attempts.at(-1)?.attempt ?? 0;
  const by = provisionBy(event.at, state.request.policy.provisionWithin);
  return enter('placing', { ...fresh, roundFrom, provisionBy: by, awaitingUntil: undefined }, event);
}

/** A newer wish of the same kind replaces an older one. Without a machine there is nothing to change: create reads it. */
function want(state: InstanceState, change: Change): InstanceState {
  if (!state.machine && state.phase !== 'creating') return state;
  return { ...state, changes: [...state.changes.filter(({ kind }) => kind !== change.kind), change] };
}

/** What new rules leave behind when others are wanted before these are known to be in force. */
function overtakeRules(state: InstanceState): InstanceState {
  const isNew = state.machine !== undefined && state.appliedRules === undefined;
  if (isNew || state.phase === 'creating') return { ...state, bootRules: state.bootRules ?? state.firewallRules };
  const overtaken = state.changes.find(({ kind }) => kind === 'firewall');
  // A firewall on the machine may have been at work on them; a provider's own says itself what it has.
  if (overtaken?.kind !== 'firewall' || !state.machine?.hostFirewall) return state;
  return { ...state, doubtfulRules: bothRules(state.doubtfulRules, overtaken.rules) };
}

function dropChange(state: InstanceState, change: Change): InstanceState {
  return { ...state, changes: state.changes.filter(({ requestId }) => requestId !== change.requestId) };
}

function applyChange(before: InstanceState, change: Change): InstanceState {
  const state = dropChange(before, change);
  switch (change.kind) {
    case 'firewall':
      return { ...state, appliedRules: change.rules, doubtfulRules: undefined };
    case 'tags':
      return { ...state, appliedTags: change.tags };
    case 'volume':
      return { ...state, diskSize: change.size };
    case 'instanceType': {
      const machine = machineOf(state);
      return { ...state, machine: { ...machine, offer: { ...machine.offer, instanceType: change.instanceType } } };
    }
  }
}
