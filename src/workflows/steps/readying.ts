import { toEpochMs } from '../../domain/ids.js';
import { machineOf, phaseDeadline } from '../../domain/instance/index.js';
import { type Instance, now } from '../entity.js';
import { toFailureFact } from '../failure.js';
import { activities } from '../policies.js';
import { machineRef } from './awaiting.js';

/** Applies the wanted rules, where the provider has a firewall per machine. */
export async function applyFirewall(instance: Instance): Promise<void> {
  const { firewallRules: rules } = instance.state;
  if (!machineOf(instance.state).capabilities.includes('modify-firewall')) {
    instance.record({ type: 'RecordFirewallApplied', rules, strategy: 'none' });
    return;
  }
  const { applyFirewall: apply } = activities('command', `apply ${rules.ingressRules.length} ingress rules`);
  try {
    const applied = await instance.unlessEnding(() => apply({ ...machineRef(instance), rules }));
    if (applied) instance.record({ type: 'RecordFirewallApplied', rules, strategy: 'native' });
  } catch (error) {
    const failure = toFailureFact(error, 'WaitTimeout');
    if (instance.phase === 'firewalling') instance.record({ type: 'RecordStepError', failure });
  }
}

/** A worker that died during the probe is noticed, and another goes on, within this time after the deadline. */
const PROBE_SLACK_MS = 30_000;

/** Proves that the machine answers SSH, with the host key it had before. */
export async function connect(instance: Instance): Promise<void> {
  const machine = machineOf(instance.state);
  const { publicAddress: host = '', sshPort: port, sshUser: user, hostKey: pinnedHostKey } = machine;
  const { sshKeyRef } = instance.state.request;
  const deadline = phaseDeadline(instance.state) ?? now();
  const withinMs = Math.max(1_000, toEpochMs(deadline) - Date.now());
  const { probeSsh } = activities('probe', `SSH to ${user}@${host}:${port}`, {
    startToCloseTimeout: withinMs + PROBE_SLACK_MS,
    scheduleToCloseTimeout: withinMs + 2 * PROBE_SLACK_MS,
  });
  const target = { host, port, user, sshKeyRef, ...(pinnedHostKey && { pinnedHostKey }), withinMs };
  try {
    const probed = await instance.interruptible(() => probeSsh({ ...machineRef(instance), ...target }));
    if (probed && instance.phase === 'connecting') instance.record({ type: 'RecordReady', ...probed });
  } catch (error) {
    const failure = toFailureFact(error, 'WaitTimeout');
    if (instance.phase === 'connecting') instance.record({ type: 'RecordStepError', failure });
  }
}
