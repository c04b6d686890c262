import { toMs } from '../duration.js';
import { type IsoTime, toEpochMs, toIsoTime } from '../ids.js';
import type { Phase } from './phase.js';
import type { PolicyDuration } from './policy.js';
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
  return field && later(since, request.policy[field]);
}

/** Until when a start that was asked for is tried again, if there is no stock. */
export function startBy(state: InstanceState, from: IsoTime): IsoTime {
  return later(from, state.request.policy.stoppedToRunning);
}

function later(since: IsoTime, duration: string): IsoTime {
  return toIsoTime(toEpochMs(since) + toMs(duration));
}
