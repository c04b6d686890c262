import {
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { WatchInput } from '../activities/types.js';
import { claimProbe, type Refusals } from '../domain/placement/refusals.js';
import {
  claimProbeUpdate,
  probeEndedSignal,
  refusalsQuery,
  refusedSignal,
  stockedSignal,
  wakeSignal,
} from './messages.js';
import { watchActivities } from './policies.js';

const LONG_HISTORY = 1_000;
/** An empty account is looked at again after this, in ms; the gap doubles until something happens. */
const SWEEP_GAP_MS = { first: 5 * 60_000, ceiling: 6 * 3_600_000 };
/** What was refused so long ago says nothing any more, in ms. */
const FORGET_AFTER_MS = 3_600_000;

/**
 * Watches one provider account for all instances in it: hosts one long activity, which lists and signals. While the
 * account is empty it sleeps, and only looks now and then: a create that was given up can come true an hour later, and
 * must not bill unseen. A wake-up that reaches this workflow comes from a process that does not run the activity: then
 * it begins anew, at its fast pace.
 *
 * It also keeps what was sold out in the account, so that every request of every process knows.
 */
export async function watch({ cloudCredRefId }: WatchInput, memory: Refusals = {}): Promise<never> {
  let wakes = 0;
  const refusals = keepRefusals(memory);
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
  await sleep(1); // an update that completes in the task of a continue-as-new loses its answer (temporal#6375)
  return await continueAsNew<typeof watch>({ cloudCredRefId }, refusals);
}

/** Plain JSON, for it travels. */
function keepRefusals(memory: Refusals): Refusals {
  const refusals: Refusals = { ...memory };
  setHandler(refusalsQuery, () => refusals);
  setHandler(refusedSignal, ({ offer, entry }) => {
    refusals[offer] = entry;
    for (const [old, { untilMs }] of Object.entries(refusals)) {
      if (untilMs < Date.now() - FORGET_AFTER_MS) delete refusals[old];
    }
  });
  setHandler(stockedSignal, ({ offer }) => {
    delete refusals[offer];
  });
  setHandler(probeEndedSignal, ({ offer }) => {
    const refusal = refusals[offer];
    if (refusal) delete refusal.probe;
  });
  setHandler(claimProbeUpdate, ({ offer, refId }) => {
    const refusal = refusals[offer];
    const granted = claimProbe(refusal, refId, Date.now());
    if (granted && refusal) refusal.probe = { refId, atMs: Date.now() };
    return granted;
  });
  return refusals;
}
