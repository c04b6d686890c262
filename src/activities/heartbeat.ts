import { activityInfo, Context, cancellationSignal, heartbeat } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import { ProviderError } from '../domain/errors.js';
import { type Patience, toApplicationFailure } from './failure.js';

/** Often enough that a dead worker is noticed in seconds; the server throttles what is more. */
const BEATS_PER_TIMEOUT = 4;

export interface Alive {
  /** Aborts when the activity is cancelled, or the worker must go. */
  signal: AbortSignal;
  /** Sets what the heartbeats carry: an operator reads it in the pending activity. */
  report(progress: unknown): void;
}

export interface AliveOptions {
  patience?: Patience;
  /** This worker is going away: work that merely waits ends here, and another worker goes on with it. */
  leaving?: AbortSignal;
}

/** Runs an activity's work with a heartbeat beside it, and turns what it throws into a typed failure. */
export async function alive<T>(work: (alive: Alive) => Promise<T>, options: AliveOptions = {}): Promise<T> {
  const { patience, leaving } = options;
  const { heartbeatTimeoutMs } = activityInfo();
  let progress: unknown;
  const beat = setInterval(() => heartbeat(progress), (heartbeatTimeoutMs ?? 40_000) / BEATS_PER_TIMEOUT);
  const report = (latest: unknown) => {
    progress = latest;
    heartbeat(progress);
  };
  const cancelled = cancellationSignal();
  try {
    return await work({ signal: leaving ? AbortSignal.any([cancelled, leaving]) : cancelled, report });
  } catch (error) {
    // A create that was cut off may have worked, and cancelled it would be repeated by the next worker.
    if (error instanceof ProviderError && error.kind === 'UnknownOutcome') throw toApplicationFailure(error, patience);
    if (cancelled.aborted) await Context.current().cancelled; // throws: cancelled, not failed
    if (leaving?.aborted) throw goingAway();
    throw toApplicationFailure(error, patience);
  } finally {
    clearInterval(beat);
  }
}

/** Retried at once, elsewhere, by every policy: the type is no kind of the error table. */
function goingAway(): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'WorkerLeaving',
    message: 'The worker is going away; another goes on.',
    nextRetryDelay: 100,
    category: ApplicationFailureCategory.BENIGN,
  });
}
