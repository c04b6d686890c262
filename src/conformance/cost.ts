import { costOver, type Money } from '../domain/money.js';
import type { InstanceType } from '../domain/provider.js';
import type { Timing } from './timing.js';

/** Live at the same time: the machine that is tried, and the one whose create went unanswered. */
export const MACHINES_AT_ONCE = 2;

/** What a run rents, said before it does. */
export interface Cost {
  /** Absent: the provider names no price. */
  pricePerHour?: Money;
  /** If nothing needs longer than it usually does. */
  usual?: Money;
  /** If everything takes as long as it may. */
  most?: Money;
}

const USUAL_MS = 30 * 60_000;
/** A vendor that bills by the hour bills at least one. */
const LEAST_MS = 60 * 60_000;

export function costOf({ pricePerHour }: InstanceType, timing: Timing): Cost {
  if (!pricePerHour) return {};
  const times = (ms: number): Money => costOver(pricePerHour, ms);
  return {
    pricePerHour,
    usual: times(USUAL_MS),
    most: times(Math.max(LEAST_MS, longestMs(timing)) * MACHINES_AT_ONCE),
  };
}

/** Every deadline met at its last moment. */
function longestMs(timing: Timing): number {
  const { createMs, runningMs, sshMs, stoppedMs, startedMs, rebootedMs, goneMs, installMs } = timing;
  return 4 * createMs + runningMs + 3 * sshMs + 2 * stoppedMs + 2 * startedMs + rebootedMs + 2 * goneMs + 6 * installMs;
}
