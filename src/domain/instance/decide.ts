import { type FirewallRules, sameRules, strategyIssues } from '../firewall.js';
import type { InstanceCapability } from '../provider.js';
import { toBytes } from '../size.js';
import { commandIssues } from './command-issues.js';
import { type Command, CommandRefused } from './commands.js';
import type { CommandStamp, InstanceFact } from './events.js';
import { ENDING, type Phase } from './phase.js';
import { type RequestIssue, toRules } from './request.js';
import { type Attempt, firewallKind, type InstanceState, unknownCreate } from './state.js';

/**
 * What a command makes happen: the facts to record, or none when it is so already.
 *
 * A command only records what is wanted. The main loop compares that with the phase and does the work.
 * @throws {CommandRefused} When the command breaks a rule; nothing is recorded then.
 */
export function decide(state: InstanceState, command: Command): InstanceFact[] {
  refuseIssues(commandIssues(command));
  if (isHandled(state, command)) return [];
  const stamp: CommandStamp = { requestId: command.requestId, ...(command.actor && { actor: command.actor }) };
  switch (command.type) {
    case 'terminate': {
      if (state.desired === 'terminated') return [];
      const { reason } = command;
      return [{ type: 'TerminateRequested', ...stamp, ...(reason && { reason }) }];
    }
    case 'stop':
      refuseEnded(state, command);
      // Not the phase: a stopped machine whose start is wanted would start, and the later wish counts.
      if (state.desired === 'stopped') return [];
      if (!state.handedOver) refusePhase(state, command, 'it was never ready: terminate it instead');
      if (!state.machine) refusePhase(state, command, 'it has no machine');
      need(state, command, 'stop-start-instance');
      return [{ type: 'StopRequested', ...stamp }];
    case 'start':
      refuseEnded(state, command);
      if (state.phase === 'parked') refusePhase(state, command, 'retry it');
      // While a start waits for stock, asking for it once more means: now.
      if (state.desired === 'running' && !state.startRetry) return [];
      need(state, command, 'stop-start-instance');
      return [{ type: 'StartRequested', ...stamp }];
    case 'reboot':
      refuseEnded(state, command);
      if (state.phase === 'rebooting' || state.rebootWanted) return [];
      if (state.phase !== 'ready' || state.desired !== 'running') refusePhase(state, command, 'it is not ready');
      need(state, command, 'reboot-instance');
      return [{ type: 'RebootRequested', ...stamp }];
    case 'retry':
      if (state.phase === 'parked') {
        if (state.desired === 'terminated') refusePhase(state, command, 'it is being terminated');
        return [{ type: 'RetryRequested', ...stamp }];
      }
      // While something cannot be deleted, or be found, a retry means: try that again now.
      if (state.debts.length > 0 && state.phase !== 'terminated') return [{ type: 'RetryRequested', ...stamp }];
      if (unknownCreate(state)) return [{ type: 'RetryRequested', ...stamp }];
      return refusePhase(state, command, 'nothing failed that waits for a retry');
    case 'release':
      return release(state, command, stamp);
    case 'setFirewallRules': {
      refuseEnded(state, command);
      const rules = toRules(command.firewallRules);
      // After a change that failed, asking for the old rules means: put them back.
      if (sameRules(rules, state.firewallRules) && !state.doubtfulRules) return [];
      if (state.phase === 'parked') refusePhase(state, command, 'retry it first');
      needFirewall(state, command, rules);
      return [{ type: 'FirewallChangeRequested', rules, ...stamp }];
    }
    case 'updateTags': {
      refuseEnded(state, command);
      if (sameTags(command.tags, state.tags)) return [];
      if (state.phase === 'parked') refusePhase(state, command, 'retry it first');
      needIfKnown(state, command, 'tags');
      return [{ type: 'TagsChangeRequested', tags: { ...command.tags }, ...stamp }];
    }
    case 'changeInstanceType': {
      refuseEnded(state, command);
      const { instanceType } = command;
      const pending = state.changes.find((change) => change.kind === 'instanceType');
      if ((pending?.instanceType ?? state.machine?.offer.instanceType) === instanceType) return [];
      if (state.phase !== 'stopped') refusePhase(state, command, 'it must be stopped');
      need(state, command, 'change-instance-type');
      return [{ type: 'TypeChangeRequested', instanceType, ...stamp }];
    }
    case 'resizeVolume': {
      refuseEnded(state, command);
      const { size } = command;
      if (state.diskSize && toBytes(state.diskSize) === toBytes(size)) return [];
      if (state.diskSize && toBytes(size) < toBytes(state.diskSize)) {
        refuseIssues([{ path: 'size', message: `must not be below ${state.diskSize.value} ${state.diskSize.unit}` }]);
      }
      if (state.phase !== 'ready' && state.phase !== 'stopped') refusePhase(state, command, 'it is on the move');
      need(state, command, 'resize-instance-volume');
      return [{ type: 'VolumeResizeRequested', size: { value: size.value, unit: size.unit }, ...stamp }];
    }
  }
}

/** The same requestId twice has one effect, also across continue-as-new. */
export function isHandled(state: InstanceState, { requestId }: CommandStamp): boolean {
  return state.handled.some((handled) => handled.requestId === requestId);
}

function release(state: InstanceState, command: Command & { type: 'release' }, stamp: CommandStamp): InstanceFact[] {
  const { cloudId, attempt, reason } = command;
  if (cloudId && attempt) refuseIssues([{ path: 'attempt', message: 'and cloudId are two things: name one' }]);
  if (cloudId && state.ended.includes(cloudId)) return [];
  if (attempt && state.attempts.some((one) => one.attempt === attempt && isKnownAbsent(one))) return [];
  const doubt = unknownCreate(state);
  const debts = state.debts.filter((open) => !attempt && (!cloudId || open.cloudId === cloudId));
  const isDoubtMeant = doubt !== undefined && !cloudId && (!attempt || doubt.attempt === attempt);
  const [debt, ...others] = debts;
  if (debt && (others.length > 0 || isDoubtMeant)) {
    const open = debts.map((one) => one.cloudId).join(', ');
    const create = isDoubtMeant ? `; or attempt the unknown create: ${doubt.attempt}` : '';
    refuseIssues([{ path: 'cloudId', message: `must name one of the open debts: ${open}${create}` }]);
  }
  if (debt) return [{ type: 'DebtReleased', cloudId: debt.cloudId, reason, ...stamp }];
  if (isDoubtMeant) return [{ type: 'CreateReleased', attempt: doubt.attempt, reason, ...stamp }];
  return refusePhase(state, command, 'it has no such cleanup debt, and no such create of unknown outcome');
}

/** By two listings, or on a person's word. */
function isKnownAbsent({ outcome, failure }: Attempt): boolean {
  return outcome === 'failed' && failure?.kind === 'UnknownOutcome';
}

/** Beyond the point of no return only terminate (already so), retry and release mean anything. */
function refuseEnded(state: InstanceState, command: Command): void {
  if (ENDING.has(state.phase) || state.desired === 'terminated') refusePhase(state, command, 'it is being terminated');
}

function refusePhase(state: { phase: Phase }, command: Command, why: string): never {
  throw new CommandRefused('WrongPhase', `Cannot ${command.type} an instance in phase ${state.phase}: ${why}.`);
}

function need(state: InstanceState, command: Command, capability: InstanceCapability): void {
  if (state.machine?.capabilities.includes(capability)) return;
  const where = state.machine ? `${state.machine.provider}, ${state.machine.offer.instanceType}` : 'no machine';
  throw new CommandRefused('NotSupported', `Cannot ${command.type}: no ${capability} here (${where}).`);
}

/** Before there is a machine nobody knows what it will be able to do: the wish is taken, and applied by create. */
function needIfKnown(state: InstanceState, command: Command, capability: InstanceCapability): void {
  if (state.machine) need(state, command, capability);
}

/** Its provider's firewall, or one on the machine, that can have these rules. */
function needFirewall(state: InstanceState, command: Command, rules: FirewallRules): void {
  if (state.machine && firewallKind(state.machine) === 'host') refuseIssues(strategyIssues(rules, { kind: 'host' }));
  else needIfKnown(state, command, 'modify-firewall');
}

function refuseIssues(issues: readonly RequestIssue[]): void {
  if (issues.length === 0) return;
  throw new CommandRefused(
    'InvalidRequest',
    issues.map(({ path, message }) => `${path} ${message}`).join('; '),
    issues,
  );
}

function sameTags(a: Record<string, string>, b: Record<string, string>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
