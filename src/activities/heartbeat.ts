import { activityInfo, Context, cancellationSignal, heartbeat } from '@temporalio/activity';
import { toApplicationFailure } from './failure.js';

/** Often enough that a dead worker is noticed in seconds; the server throttles what is more. */
const BEATS_PER_TIMEOUT = 4;

export interface Alive {
  /** Aborts when the activity is cancelled, or the worker must go. */
  signal: AbortSignal;
  /** Sets what the heartbeats carry: an operator reads it in the pending activity. */
  report(progress: unknown): void;
}

/**
 * Runs an activity's work with a heartbeat beside it, and turns what it throws into a typed failure.
 * `patient: false` where the error table limits the patience (a create has other offers to go to).
 */
export async function alive<T>(work: (alive: Alive) => Promise<T>, how = { patient: true }): Promise<T> {
  const { heartbeatTimeoutMs } = activityInfo();
  let progress: unknown;
  const beat = setInterval(() => heartbeat(progress), (heartbeatTimeoutMs ?? 40_000) / BEATS_PER_TIMEOUT);
  const report = (latest: unknown) => {
    progress = latest;
    heartbeat(progress);
  };
  try {
    return await work({ signal: cancellationSignal(), report });
  } catch (error) {
    if (cancellationSignal().aborted) await Context.current().cancelled; // throws: cancelled, not failed
    throw toApplicationFailure(error, how);
  } finally {
    clearInterval(beat);
  }
}
