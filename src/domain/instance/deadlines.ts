import { toMs } from '../duration.js';
import { type IsoTime, toEpochMs, toIsoTime } from '../ids.js';
import type { Phase } from './phase.js';
import { PENDING_FLOOR, type PolicyDuration } from './policy.js';
import type { InstanceState } from './state.js';

const DEADLINES: Partial<Record<Phase, PolicyDuration>> = {
  placing: 'provisionWithin',
  pending: 'pendingToRunning',
  connecting: 'runningToSsh',
  firewalling: 'runningToSsh',
  stopping: 'runningToStopped',
  discarding: 'toTerminated',
  terminating: 'toTerminated',
};

/** Which of the policy's durations ends a phase, if any. A machine that was handed over is started, not provisioned. */
export function deadlineField(phase: Phase, handedOver: boolean): PolicyDuration | undefined {
  return phase === 'pending' && handedOver ? 'stoppedToRunning' : DEADLINES[phase];
}

/** When the present phase has lasted too long; `undefined` where a person, or placement's own deadline, is waited for. */
export function phaseDeadline(state: InstanceState): IsoTime | undefined {
  const { phase, since, request } = state;
  if (phase === 'placing') return state.provisionBy; // all of placement shares one
  const field = deadlineField(phase, state.handedOver);
  if (field === 'pendingToRunning') return toIsoTime(toEpochMs(since) + bootPatienceMs(state));
  return field && later(since, request.policy[field]);
}

/** Fewer machines than this say nothing about the slowest one in a hundred. */
const TELLING_MACHINES = 10;
/** So many times as long as the slowest usual machine: what takes longer is not slow, it is stuck. */
const STUCK_FACTOR = 2;

/**
 * How long a first boot may take: twice what all but one in a hundred of the offer's machines took, within the policy's
 * floor and ceiling; the ceiling where too few were measured.
 */
function bootPatienceMs({ machine, request: { policy } }: InstanceState): number {
  const ceiling = toMs(policy.pendingToRunning);
  const { usualBoot } = machine ?? {};
  if (!usualBoot || usualBoot.machines < TELLING_MACHINES) return ceiling;
  const floor = toMs(policy.pendingToRunningFloor ?? PENDING_FLOOR);
  return Math.min(ceiling, Math.max(floor, STUCK_FACTOR * usualBoot.p99Ms));
}

/** Until when a start that was asked for is tried again, if there is no stock. */
export function startBy(state: InstanceState, from: IsoTime): IsoTime {
  return later(from, state.request.policy.stoppedToRunning);
}

function later(since: IsoTime, duration: string): IsoTime {
  return toIsoTime(toEpochMs(since) + toMs(duration));
}
