import { type Duration, parseDuration } from '../duration.js';

/** GPUs that the driver must show before a machine is handed over. */
export interface ExpectedGpus {
  count: number;
  /** In any spelling: `H100`, `NVIDIA H100 80GB HBM3`. Absent: any will do. */
  name?: string;
}

/** How long each wait may last, what must be shown, and what to do when all is tried. Every field may be left out. */
export interface Policy {
  /** From the request until it is ready: placement starts nothing new after it. */
  provisionWithin: Duration;
  /** At most; less where the journal knows how long machines of the offer took (see `deadlines.ts`). */
  pendingToRunning: Duration;
  /** Never less than this, whatever the journal knows. Absent: `PENDING_FLOOR`. */
  pendingToRunningFloor?: Duration;
  runningToSsh: Duration;
  runningToStopped: Duration;
  stoppedToRunning: Duration;
  /** After it a machine that is not gone is cleanup debt. It is never given up. */
  toTerminated: Duration;
  /** Attempts to create, over all offers; one that is sold out counts once, however often it is asked. */
  maxOffers: number;
  /** `park`: wait for a person. `terminate`: end the instance with the failure as its result. */
  onFailure: 'park' | 'terminate';
  /** Absent: GPUs are not looked at. */
  expectGpus?: ExpectedGpus;
  /** Must the firewall be proved from outside? Absent: where Slipway, or the provider for it, put up one. */
  verifyFirewall?: boolean;
}

/** From spec/contract.md section 2. */
export const DEFAULT_POLICY: Policy = {
  provisionWithin: '1h',
  pendingToRunning: '20m',
  runningToSsh: '10m',
  runningToStopped: '10m',
  stoppedToRunning: '20m',
  toTerminated: '20m',
  maxOffers: 25,
  onFailure: 'park',
};

export const PENDING_FLOOR: Duration = '5m';

export const POLICY_DURATIONS = [
  'provisionWithin',
  'pendingToRunning',
  'runningToSsh',
  'runningToStopped',
  'stoppedToRunning',
  'toTerminated',
] as const satisfies readonly (keyof Policy)[];
export type PolicyDuration = (typeof POLICY_DURATIONS)[number];

/** Shorter is a typo, longer is for ever: one second, and thirty days. */
export const DURATION_BOUNDS_MS = { min: 1_000, max: 30 * 86_400_000 } as const;

export function isPolicyDuration(value: unknown): boolean {
  const ms = parseDuration(value);
  return ms !== undefined && ms >= DURATION_BOUNDS_MS.min && ms <= DURATION_BOUNDS_MS.max;
}
