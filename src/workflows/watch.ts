import {
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  setHandler,
  sleep,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import type { Watched, Watchfulness, WatchInput } from '../activities/types.js';
import type { CloudCredRefId } from '../domain/ids.js';
import { claimProbe, type Refusals, stands } from '../domain/placement/refusals.js';
import { oweStray, type StrayDebts } from '../domain/stray-debt.js';
import {
  claimProbeUpdate,
  probeEndedSignal,
  refusalsQuery,
  refusedSignal,
  stockedSignal,
  strayDebtsQuery,
  strayGoneSignal,
  strayOwedSignal,
  wakeSignal,
} from './messages.js';
import { watchActivities } from './policies.js';

export interface WatchArgs {
  cloudCredRefId: CloudCredRefId;
  /** The last watch of the run before this one. */
  after?: string;
}

const LONG_HISTORY = 1_000;
/** An empty account is looked at again after this, in ms; the gap doubles until something happens. */
const SWEEP_GAP_MS = { first: 5 * 60_000, ceiling: 6 * 3_600_000 };

/**
 * Watches one provider account for all instances in it: hosts one long activity, which lists and signals. While every
 * machine rests that activity hardly shows itself, and while the account is empty this workflow sleeps, and only looks
 * now and then: a create that was given up can come true an hour later, and must not bill unseen. A wake-up ends such a
 * rest: the watch begins anew, alert.
 *
 * It also keeps what was sold out in the account, so that every request of every process knows; and what must be ended
 * and has no instance any more, so that it is seen until it is gone.
 */
export async function watch(
  { cloudCredRefId, after }: WatchArgs,
  memory: Refusals = {},
  owed: StrayDebts = {},
): Promise<never> {
  let wakes = 0;
  const refusals = keepRefusals(memory);
  const debts = keepDebts(owed);
  setHandler(wakeSignal, () => {
    wakes += 1;
  });
  let watchId = after;
  let watchfulness: Watchfulness = 'alert';
  let sweepGap = SWEEP_GAP_MS.first;
  while (workflowInfo().historyLength < LONG_HISTORY && !workflowInfo().continueAsNewSuggested) {
    const before = wakes;
    const isWoken = () => wakes !== before;
    const input: WatchInput = { cloudCredRefId, watchfulness, watchId: uuid4(), ...(watchId && { after: watchId }) };
    if (Object.keys(debts).length > 0) input.owed = Object.values(debts);
    watchId = input.watchId;
    const watched = await untilWoken(() => watchActivities(watchfulness).watchAccount(input), isWoken, watchfulness);
    const next = watched?.next ?? 'alert';
    sweepGap =
      watchfulness === 'sweep' && next === 'sleep' ? Math.min(2 * sweepGap, SWEEP_GAP_MS.ceiling) : SWEEP_GAP_MS.first;
    if (next === 'sleep') await condition(isWoken, sweepGap, { summary: 'until the next look at an empty account' });
    if (isWoken()) watchfulness = 'alert';
    else watchfulness = next === 'sleep' ? 'sweep' : next;
  }
  await sleep(1); // an update that completes in the task of a continue-as-new loses its answer (temporal#6375)
  return await continueAsNew<typeof watch>({ cloudCredRefId, ...(watchId && { after: watchId }) }, refusals, debts);
}

/** What is alert needs no waking: it runs on, and whoever hosts it is alert once more afterwards. */
async function untilWoken(
  work: () => Promise<Watched>,
  isWoken: () => boolean,
  watchfulness: Watchfulness,
): Promise<Watched | undefined> {
  if (watchfulness === 'alert') return await work();
  const scope = new CancellationScope();
  const guard = new CancellationScope();
  guard
    .run(() => condition(isWoken))
    .then(
      () => scope.cancel(),
      () => undefined,
    );
  try {
    return await scope.run(work);
  } catch (error) {
    if (!isCancellation(error) || !isWoken()) throw error;
    return undefined;
  } finally {
    guard.cancel();
  }
}

/** Plain JSON, for it travels. */
function keepRefusals(memory: Refusals): Refusals {
  const refusals: Refusals = { ...memory };
  setHandler(refusalsQuery, () => refusals);
  setHandler(refusedSignal, ({ offer, entry }) => {
    refusals[offer] = entry;
    for (const [old, refusal] of Object.entries(refusals)) if (!stands(refusal, Date.now())) delete refusals[old];
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

/** Plain JSON, for it travels. */
function keepDebts(memory: StrayDebts): StrayDebts {
  const debts: StrayDebts = { ...memory };
  setHandler(strayDebtsQuery, () => debts);
  setHandler(strayOwedSignal, (debt) => oweStray(debts, debt));
  setHandler(strayGoneSignal, ({ cloudId }) => {
    delete debts[cloudId];
  });
  return debts;
}
