import {
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { WatchInput } from '../activities/types.js';
import { wakeSignal } from './messages.js';
import { watchActivities } from './policies.js';

const LONG_HISTORY = 1_000;

/**
 * Watches one provider account for all instances in it: hosts one long activity, which lists and signals. Asleep, at no
 * cost, while the account is empty. A wake-up that reaches this workflow comes from a process that does not run the
 * activity: then it begins anew, at its fast pace.
 */
export async function watch({ cloudCredRefId }: WatchInput): Promise<never> {
  let wakes = 0;
  setHandler(wakeSignal, () => {
    wakes += 1;
  });
  const { watchAccount } = watchActivities();
  while (workflowInfo().historyLength < LONG_HISTORY && !workflowInfo().continueAsNewSuggested) {
    const before = wakes;
    const woken = () => wakes !== before;
    const scope = new CancellationScope();
    const guard = new CancellationScope();
    guard
      .run(() => condition(woken))
      .then(
        () => scope.cancel(),
        () => undefined,
      );
    try {
      const { idle } = await scope.run(() => watchAccount({ cloudCredRefId }));
      guard.cancel();
      if (idle) await condition(woken);
    } catch (error) {
      if (!isCancellation(error) || !woken()) throw error;
    }
  }
  return await continueAsNew<typeof watch>({ cloudCredRefId });
}
