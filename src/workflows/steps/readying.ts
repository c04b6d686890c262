import type { ProbeInput } from '../../activities/types.js';
import { toMs } from '../../domain/duration.js';
import { bothRules, type FirewallRules, NO_RULES, sameRules } from '../../domain/firewall.js';
import { firewallKind, machineOf } from '../../domain/instance/index.js';
import type { Instance } from '../entity.js';
import { toFailureFact } from '../failure.js';
import { activities } from '../policies.js';
import { machineRef } from './awaiting.js';

/** Applies the wanted rules, where the provider has a firewall per machine. One on the machine itself has them by now. */
export async function applyFirewall(instance: Instance): Promise<void> {
  const { firewallRules: rules } = instance.state;
  const strategy = firewallKind(machineOf(instance.state));
  if (strategy === 'none' && !sameRules(rules, NO_RULES)) {
    // Create refuses rules that nobody can apply; these were asked for while it was under way.
    const message = `${machineOf(instance.state).provider} has no firewall per machine for the rules that are wanted.`;
    return instance.record({ type: 'RecordStepError', failure: { kind: 'NotSupported', message } });
  }
  if (strategy === 'host') {
    // What it brought along; what is wanted since is applied over SSH, when that is there.
    const { appliedRules, bootRules = rules } = instance.state;
    return instance.record({ type: 'RecordFirewallApplied', rules: appliedRules ?? bootRules, strategy });
  }
  if (strategy === 'none' || hasAlready(instance, rules)) {
    return instance.record({ type: 'RecordFirewallApplied', rules, strategy });
  }
  const bounds = { scheduleToCloseTimeout: Math.max(1_000, instance.timeLeft ?? 0) };
  const { applyFirewall: apply } = activities('command', `apply ${rules.ingressRules.length} ingress rules`, bounds);
  try {
    const applied = await instance.unlessEnding(() => apply({ ...machineRef(instance), rules }));
    if (applied) instance.record({ type: 'RecordFirewallApplied', rules, strategy });
  } catch (error) {
    const failure = toFailureFact(error, 'WaitTimeout');
    if (instance.phase === 'firewalling') instance.record({ type: 'RecordStepError', failure });
  }
}

/** A machine that nobody has changed the rules of, and that is shown with these: it came with them, and needs no call. */
function hasAlready({ state, shownRules }: Instance, rules: FirewallRules): boolean {
  const isUntouched = !state.appliedRules && !state.doubtfulRules;
  return isUntouched && shownRules !== undefined && sameRules(shownRules, rules);
}

/** A worker that died during the probe is noticed, and another goes on, within this time after the deadline. */
const PROBE_SLACK_MS = 30_000;

/**
 * Proves that the machine answers SSH with the host key it had before, that it is done booting and has its GPUs, and that
 * its firewall holds: at each start, not at the first only. One activity, so that all of it costs one connection.
 */
export async function connect(instance: Instance): Promise<void> {
  const { state } = instance;
  const { expectGpus: gpus } = state.request.policy;
  const hostRules = hostRulesToApply(instance);
  const { appliedRules = state.firewallRules, doubtfulRules } = state;
  const rules = hostRules ?? appliedRules;
  const before = hostRules ? bothRules(doubtfulRules, appliedRules) : doubtfulRules;
  const firewall = mustVerify(instance) && { rules, ...(before && { before }) };
  const target = probeTarget(instance, instance.timeLeft ?? 0);
  const { probeSsh } = activities('probe', `SSH to ${inWords(target)}`, boundedBy(target));
  const input = { ...target, ...(gpus && { gpus }), ...(firewall && { firewall }), ...(hostRules && { hostRules }) };
  try {
    const probed = await instance.interruptible(() => probeSsh(input));
    if (!probed || instance.phase !== 'connecting') return;
    if (hostRules) instance.record({ type: 'RecordFirewallApplied', rules, strategy: 'host' });
    instance.record({ type: 'RecordReady', ...probed });
  } catch (error) {
    const failure = toFailureFact(error, 'WaitTimeout');
    if (instance.phase === 'connecting') instance.record({ type: 'RecordStepError', failure });
  }
}

/**
 * Proves new rules on a machine in use. Answers `false` when something else was wanted meanwhile: then nothing is known.
 * @throws {ActivityFailure} FirewallUnverified, or SshUnreachable when nobody gets in to look.
 */
export async function verifyRules(instance: Instance, rules: FirewallRules): Promise<boolean> {
  if (!mustVerify(instance)) return true;
  const { appliedRules = NO_RULES, doubtfulRules, request } = instance.state;
  const before = bothRules(doubtfulRules, appliedRules);
  const target = probeTarget(instance, toMs(request.policy.runningToSsh));
  const { verifyFirewall } = activities('probe', `prove the firewall of ${inWords(target)}`, boundedBy(target));
  const work = () => verifyFirewall({ ...target, firewall: { rules, before } });
  return (await instance.interruptible(work, () => instance.suspicion !== undefined)) !== undefined;
}

/**
 * Gives a machine in use new rules for the firewall that stands on it, and proves them. Answers as `verifyRules`.
 * @throws {ActivityFailure} FirewallUnverified, saying what was done; or SshUnreachable.
 */
export async function changeHostRules(instance: Instance, rules: FirewallRules): Promise<boolean> {
  const { appliedRules = NO_RULES, doubtfulRules, request } = instance.state;
  const firewall = mustVerify(instance) && { rules, before: bothRules(doubtfulRules, appliedRules) };
  const target = probeTarget(instance, toMs(request.policy.runningToSsh));
  const { changeHostFirewall } = activities('probe', `change the firewall on ${inWords(target)}`, boundedBy(target));
  const work = () => changeHostFirewall({ ...target, hostRules: rules, ...(firewall && { firewall }) });
  return (await instance.interruptible(work, () => instance.suspicion !== undefined)) !== undefined;
}

export function hasHostFirewall({ state }: Instance): boolean {
  return firewallKind(machineOf(state)) === 'host';
}

/** The rules that a firewall on the machine shall have, unless it is known to have them. */
function hostRulesToApply(instance: Instance): FirewallRules | undefined {
  const { firewallRules, appliedRules = firewallRules, doubtfulRules } = instance.state;
  const has = !doubtfulRules && sameRules(appliedRules, firewallRules);
  return hasHostFirewall(instance) && !has ? firewallRules : undefined;
}

/** Where there is a firewall of ours it is proved; policy may ask for more, or for less. */
function mustVerify({ state }: Instance): boolean {
  return state.request.policy.verifyFirewall ?? firewallKind(machineOf(state)) !== 'none';
}

function probeTarget(instance: Instance, withinMs: number): ProbeInput {
  const { publicAddress: host = '', sshPort: port, sshUser: user, hostKey, portMappings } = machineOf(instance.state);
  const { sshKeyRef } = instance.state.request;
  const known = { ...(hostKey && { pinnedHostKey: hostKey }), ...(portMappings && { portMappings }) };
  return { ...machineRef(instance), host, port, user, sshKeyRef, ...known, withinMs: Math.max(1_000, withinMs) };
}

function inWords({ user, host, port }: ProbeInput): string {
  return `${user}@${host}:${port}`;
}

function boundedBy({ withinMs }: ProbeInput) {
  return {
    startToCloseTimeout: withinMs + PROBE_SLACK_MS,
    scheduleToCloseTimeout: withinMs + 2 * PROBE_SLACK_MS,
  };
}
