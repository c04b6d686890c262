import { patched } from '@temporalio/workflow';
import type { LookInput, MachineRef, Trust } from '../../activities/types.js';
import { toEpochMs, toIsoTime } from '../../domain/ids.js';
import { machineOf, type Observation, phaseDeadline, WAITS_FOR } from '../../domain/instance/index.js';
import { type Instance, now } from '../entity.js';
import { toFailureFact } from '../failure.js';
import { activities } from '../policies.js';

/** Looks of our own begin late and grow rare: the watcher's signal comes first, unless it is dead. In ms. */
const LOOK_GAP_MS = { first: 30_000, ceiling: 300_000 };
/** A short wait is looked into as well: its first look comes after this part of it. */
const FIRST_LOOK_SHARE = 1 / 4;
/** After `isSeenTooEarly`. In ms. */
const UNCHANGED_GAP_MS = 1_000;

/** Waits until the provider shows what the phase waits for: through the watcher, by looking, or until the deadline. */
export async function awaitProvider(instance: Instance): Promise<void> {
  const { phase, intents } = instance;
  const deadline = phaseDeadline(instance.state) ?? now();
  let gap = firstGap(instance, instance.timeLeft ?? 0);
  let trust: Trust = gap === UNCHANGED_GAP_MS ? 'listing' : 'watcher';
  let mayHurry = gap > UNCHANGED_GAP_MS;
  const mustHurry = () => mayHurry && isSeenTooEarly(instance) && patched('seen-too-early');
  const movedOn = () => instance.phase !== phase || instance.suspicion !== undefined || mustHurry();
  while (instance.phase === phase && instance.intents === intents) {
    if (instance.suspicion && !(await makeSure(instance)) && now() >= deadline && instance.phase === phase) {
      return instance.record({ type: 'RecordWaitTimeout' });
    }
    const nextLook = toIsoTime(Math.min(toEpochMs(deadline), Date.now() + gap));
    if (await instance.until(movedOn, nextLook, `for ${WAITS_FOR[phase]}`)) {
      if (mustHurry()) {
        mayHurry = false;
        gap = UNCHANGED_GAP_MS;
        trust = 'listing';
      }
      continue;
    }
    const late = now() >= deadline;
    // A deadline is never declared on the word of a watcher that may be dead: the last look is our own.
    await look(instance, { trust: late ? 'nobody' : trust });
    trust = 'listing'; // a watcher that tells changes may have told this one to a run that was reset, or lost
    if (late && instance.phase === phase && !instance.suspicion) instance.record({ type: 'RecordWaitTimeout' });
    gap = Math.min(2 * gap, LOOK_GAP_MS.ceiling);
  }
}

/**
 * Our machine was last seen as what the phase waits for, and yet it waits: what was seen is of before the phase began,
 * such as a long listing that was under way by then. A watcher tells changes, and may have none to tell any more.
 */
function isSeenTooEarly({ phase, lastStatus }: Instance): boolean {
  return lastStatus === (phase === 'stopping' ? 'stopped' : 'running');
}

function firstGap(instance: Instance, left: number): number {
  if (isSeenTooEarly(instance)) return UNCHANGED_GAP_MS;
  return Math.min(LOOK_GAP_MS.first, Math.max(UNCHANGED_GAP_MS, left * FIRST_LOOK_SHARE));
}

/**
 * The watcher, or a look, did not find our machine: asks for it by id, and in a fresh listing where that finds nothing,
 * which is the last word. The watcher tells it once, so nothing but an answer settles it, however long the provider gives
 * none. Answers `false` where something else was wanted first, or the phase's time was up: the suspicion stays.
 */
export async function makeSure(instance: Instance): Promise<boolean> {
  if (!patched('suspicion-stays')) return await makeSureOnce(instance);
  const isSeenAgain = () => instance.lastStatus !== undefined && !isGone(instance.lastStatus);
  const seen = isSeenAgain() ? undefined : await instance.interruptible(() => lookUntilTold(instance), isSeenAgain);
  if (!seen && !isSeenAgain()) return false;
  instance.suspicion = undefined;
  if (seen && isGone(seen.status)) instance.record({ type: 'RecordObservation', observation: seen });
  return true;
}

/** What runs did that began to make sure before suspicions stayed: one look, and the suspicion was forgotten. */
async function makeSureOnce(instance: Instance): Promise<true> {
  instance.suspicion = undefined;
  const observation = await look(instance, { trust: 'nobody' });
  if (!observation || instance.phase === 'terminated') return true;
  if (isGone(observation.status)) {
    instance.suspicion = undefined;
    instance.record({ type: 'RecordObservation', observation });
  }
  return true;
}

function isGone(status: Observation['status']): boolean {
  return status === 'absent' || status === 'terminated';
}

const LOOKS: Record<Trust, string> = {
  watcher: 'look, unless it is being watched',
  listing: 'look, in a fresh listing or by id',
  nobody: 'look, by id',
};

function lookUntilTold(instance: Instance) {
  const { timeLeft } = instance;
  const bounds = timeLeft === undefined ? undefined : { scheduleToCloseTimeout: Math.max(1_000, timeLeft) };
  return look(instance, { trust: 'nobody', isSuspected: true }, activities('resolve', 'is it really gone?', bounds));
}

async function look(
  instance: Instance,
  how: Pick<LookInput, 'trust' | 'isSuspected'>,
  { lookAtInstance } = activities('read', LOOKS[how.trust], { scheduleToCloseTimeout: 60_000 }),
) {
  try {
    const { observation } = await instance.call(() => lookAtInstance({ ...machineRef(instance), ...how }));
    if (observation) instance.observe(observation);
    return observation;
  } catch (error) {
    toFailureFact(error, 'ServiceUnavailable'); // rethrows what is a bug of ours
    return undefined; // the provider does not answer: what cannot be seen is not judged
  }
}

export function machineRef(instance: Instance): MachineRef {
  const { cloudId, offer } = machineOf(instance.state);
  return { cloudCredRefId: offer.cloudCredRefId, location: offer.location, refId: instance.state.refId, cloudId };
}
