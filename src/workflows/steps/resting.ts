import type { Change } from '../../domain/instance/index.js';
import type { Instance } from '../entity.js';
import { toFailureFact } from '../failure.js';
import { activities } from '../policies.js';
import { machineRef, makeSure } from './awaiting.js';
import { changeHostRules, hasHostFirewall, verifyRules } from './readying.js';

/** Ready or stopped: waits for a command, applies changes, and notices what happens to the machine without us. */
export async function rest(instance: Instance): Promise<void> {
  const { phase } = instance;
  if (instance.suspicion) {
    await makeSure(instance);
    return;
  }
  const change = nextChange(instance);
  if (change) return await apply(instance, change);
  // A start that was refused for lack of stock is tried again; everything else waits for somebody.
  const { startRetry } = instance.state;
  instance.deliver();
  await instance.until(
    () => instance.phase !== phase || instance.suspicion !== undefined || instance.isLong || instance.mustDeliver,
    startRetry?.at,
    'until the next start',
  );
}

/** A parked instance costs nothing and waits for a person. */
export async function park(instance: Instance): Promise<void> {
  instance.suspicion = undefined; // a kept machine is looked at when somebody retries
  instance.deliver();
  await instance.until(() => instance.isLong || instance.mustDeliver);
}

const APPLIES: Record<Change['kind'], readonly string[]> = {
  firewall: ['ready'], //           a stopped machine gets its rules when it starts
  tags: ['ready', 'stopped'],
  instanceType: ['stopped'],
  volume: ['ready', 'stopped'],
};

function nextChange({ state }: Instance): Change | undefined {
  return state.changes.find(({ kind }) => APPLIES[kind].includes(state.phase));
}

async function apply(instance: Instance, change: Change): Promise<void> {
  const { applyFirewall, updateTags, changeInstanceType, resizeVolume } = activities('command', `apply ${change.kind}`);
  const machine = machineRef(instance);
  const work = () => {
    switch (change.kind) {
      case 'firewall':
        return applyFirewall({ ...machine, rules: change.rules });
      case 'tags':
        return updateTags({ ...machine, tags: change.tags });
      case 'instanceType':
        return changeInstanceType({ ...machine, instanceType: change.instanceType });
      case 'volume':
        return resizeVolume({ ...machine, size: change.size });
    }
  };
  try {
    if (change.kind === 'firewall' && hasHostFirewall(instance)) {
      if (!(await changeHostRules(instance, change.rules))) return; // it stays wanted
    } else {
      if (!(await instance.unlessEnding(work))) return;
      if (change.kind === 'firewall' && !(await verifyRules(instance, change.rules))) return;
    }
    instance.record({ type: 'RecordChange', change });
  } catch (error) {
    instance.record({ type: 'RecordChange', change, failure: toFailureFact(error, 'WaitTimeout') });
  }
}
