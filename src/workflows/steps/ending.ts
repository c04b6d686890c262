import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { CloudId } from '../../domain/ids.js';
import { machineOf } from '../../domain/instance/index.js';
import { type Instance, now } from '../entity.js';
import { toFailureFact } from '../failure.js';
import { activities } from '../policies.js';
import { machineRef } from './awaiting.js';

/**
 * Ends the machine, and returns when it is proved gone: before a next one is bought, and before the instance is called
 * terminated. What lasts longer than the policy allows is cleanup debt from then on, and is tried for ever. A `retry`
 * makes it try at once; a `release` lets it go on a person's word.
 */
export async function end(instance: Instance): Promise<void> {
  const { cloudId, createdAt } = machineOf(instance.state);
  if (instance.state.ended.includes(cloudId)) {
    const proof = { by: 'released', at: now(), evidence: 'released by a person' } as const;
    return instance.record({ type: 'RecordGone', cloudId, proof });
  }
  const owed = instance.state.debts.some((debt) => debt.cloudId === cloudId);
  const left = instance.timeLeft ?? 0;
  if (!owed && left === 0) {
    const message = `${cloudId} is not proved gone within the policy’s time; it is tried for ever.`;
    return instance.record({ type: 'RecordDebt', failure: { kind: 'WaitTimeout', message } });
  }
  const { endInstance } = activities('end', `end ${cloudId}`, owed ? {} : { scheduleToCloseTimeout: left });
  try {
    const proof = await instance.interruptible(() => endInstance({ ...machineRef(instance), createdAt }));
    if (proof) instance.record({ type: 'RecordGone', cloudId, proof });
  } catch (error) {
    instance.record({ type: 'RecordDebt', failure: toFailureFact(error, 'WaitTimeout') });
  }
}

/** Ends machines that arrived late, beside the main loop: they have nothing to do with the phase. */
export class StraySettler {
  private readonly running = new Map<CloudId, CancellationScope>();
  /** A stray is mostly found by a signal's handler: those run in the workflow's own scope, which a cancel has cancelled. */
  private readonly shield = new CancellationScope({ cancellable: false });

  constructor(private readonly instance: Instance) {
    instance.onStray = () => this.settleAll();
  }

  /** Starts what is not under way; stops what a person let go. */
  settleAll(): void {
    const strays = this.instance.state.debts.filter(({ cause }) => cause === 'stray');
    for (const [cloudId, scope] of this.running) {
      if (!strays.some((stray) => stray.cloudId === cloudId)) scope.cancel();
    }
    for (const { cloudId, offer, since } of strays) {
      if (this.running.has(cloudId)) continue;
      const scope = new CancellationScope({ cancellable: true, parent: this.shield });
      this.running.set(cloudId, scope);
      const { endInstance } = activities('end', `end the stray ${cloudId}`);
      const { refId } = this.instance.state;
      const { cloudCredRefId, location } = offer;
      const work = () => endInstance({ cloudCredRefId, location, refId, cloudId, createdAt: since });
      scope
        .run(work)
        .then((proof) => this.instance.record({ type: 'RecordStrayEnded', cloudId, proof }))
        .catch((error) => {
          if (!isCancellation(error)) throw error;
        })
        .finally(() => this.running.delete(cloudId));
    }
  }

  /** Before the run ends as another: the next one starts them anew. */
  pause(): void {
    for (const scope of this.running.values()) scope.cancel();
  }

  get isSettled(): boolean {
    return !this.instance.state.debts.some(({ cause }) => cause === 'stray');
  }
}
