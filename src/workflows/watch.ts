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
/** An empty account is looked at again after this, in ms; the gap doubles until something happens. */
const SWEEP_GAP_MS = { first: 5 * 60_000, ceiling: 6 * 3_600_000 };

/**
 * Watches one provider account for all instances in it: hosts one long activity, which lists and signals. While the
 * account is empty it sleeps, and only looks now and then: a create that was given up can come true an hour later, and
 * must not bill unseen. A wake-up that reaches this workflow comes from a process that does not run the
 * activity: then it begins anew, at its fast pace.
 */
export async function watch({ cloudCredRefId }: WatchInput): Promise<never> {
  let wakes = 0;
  setHandler(wakeSignal, () => {
    wakes += 1;
  });
  const { watchAccount } = watchActivities();
  let sweepGap = SWEEP_GAP_MS.first;
  let sweep = false;
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
      const { idle } = await scope.run(() => watchAccount({ cloudCredRefId, sweep }));
      guard.cancel();
      sweepGap = sweep && idle ? Math.min(2 * sweepGap, SWEEP_GAP_MS.ceiling) : SWEEP_GAP_MS.first;
      sweep = idle && !(await condition(woken, sweepGap, { summary: 'until the next look at an empty account' }));
    } catch (error) {
      if (!isCancellation(error) || !woken()) throw error;
      sweep = false;
    }
  }
  return await continueAsNew<typeof watch>({ cloudCredRefId });
}
