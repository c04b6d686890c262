import type { InstanceActivities, MachineRef } from '../../activities/types.js';
import type { Instance } from '../entity.js';
import { toFailureFact } from '../failure.js';
import { activities } from '../policies.js';
import { awaitProvider, machineRef } from './awaiting.js';

/** Asks for the stop, then waits until the provider reports it. */
export async function stop(instance: Instance): Promise<void> {
  if (await order(instance, 'stopInstance')) await awaitProvider(instance);
}

/** Asks for the start. A refusal leaves the machine stopped, with the reason: it is never replaced. */
export async function start(instance: Instance): Promise<void> {
  if (await order(instance, 'startInstance')) instance.record({ type: 'RecordAccepted' });
}

export async function reboot(instance: Instance): Promise<void> {
  if (await order(instance, 'rebootInstance')) instance.record({ type: 'RecordAccepted' });
}

type Order = keyof InstanceActivities & ('stopInstance' | 'startInstance' | 'rebootInstance');

/**
 * Gives the order once per phase; answers whether the provider took it. Repeating one does no harm, and is spared. A
 * terminate cuts it short.
 */
async function order(instance: Instance, verb: Order): Promise<boolean> {
  const { phase, since } = instance.state;
  const given = `${phase}@${since}`;
  if (instance.orderGiven === given) return true;
  const call: (input: MachineRef) => Promise<void> = activities('command', verb)[verb];
  try {
    const taken = await instance.unlessEnding(() => call(machineRef(instance)));
    if (taken) instance.orderGiven = given;
    return taken;
  } catch (error) {
    const failure = toFailureFact(error, 'WaitTimeout');
    if (instance.phase === phase) instance.record({ type: 'RecordStepError', failure });
    return false;
  }
}
