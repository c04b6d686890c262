import { ActivityCancellationType, type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import type { InstanceActivities, WatchActivities, Watchfulness } from '../activities/types.js';
import { ERROR_KINDS, ERRORS, type ErrorKind, type ErrorRetry } from '../domain/errors.js';

/**
 * How each class of activity is retried: read from the error table, said nowhere else. `nextRetryDelay` (the provider's
 * own) wins over these gaps; `activities/failure.ts` sets it, and ends the patience of a create.
 */
export type ActivityClass =
  /** Creates. Nothing that leaves a doubt is repeated: it becomes an unknown outcome, and is looked up. */
  | 'create'
  /** Reads: repeat as often as you like. */
  | 'read'
  /** Looks for what an unanswered create made, or for what may be gone: never given up, for only an answer tells. */
  | 'resolve'
  /** Stop, start, firewall and the like: safe to repeat, bounded by the policy's time. */
  | 'command'
  /** Ends a machine: never given up, whatever the error. */
  | 'end'
  /** Tells the journal: never given up. */
  | 'record'
  /** Waits for SSH by itself, inside one attempt. */
  | 'probe'
  /** Runs for as long as there is something to watch. */
  | 'watch';

const RETRIED: Record<ActivityClass, ReadonlySet<ErrorRetry>> = {
  create: new Set(['later', 'backoff', 'once']),
  read: new Set(['later', 'backoff', 'once', 'reads', 'gaps']),
  resolve: new Set(['no', 'later', 'backoff', 'once', 'reads', 'gaps']),
  command: new Set(['later', 'backoff', 'once', 'reads', 'gaps']),
  end: new Set(['no', 'later', 'backoff', 'once', 'reads', 'gaps']),
  record: new Set(['no', 'later', 'backoff', 'once', 'reads', 'gaps']),
  probe: new Set(['later', 'backoff', 'reads']),
  watch: new Set(['no', 'later', 'backoff', 'once', 'reads', 'gaps']),
};

/** The server counts a timed-out attempt as retryable unless it is named like this (server: common/retrypolicy). */
const TIMEOUTS = ['TemporalTimeout:StartToClose', 'TemporalTimeout:Heartbeat'];

/** Failure types that end the activity at once. */
export function nonRetryable(activityClass: ActivityClass): string[] {
  const kinds = ERROR_KINDS.filter((kind: ErrorKind) => !RETRIED[activityClass].has(ERRORS[kind].retry));
  // A create whose worker died may have worked: only a look can tell.
  return activityClass === 'create' ? [...kinds, ...TIMEOUTS] : [...kinds];
}

const MINUTE = 60_000;
/** A worker that died is noticed after this, in ms. */
const HEARTBEAT_MS = 8_000;
/**
 * While every machine rests, a heartbeat only costs: some 60 a day are left. A worker that starts, and whoever asks for
 * something, wakes the account at once, so that this delay is met only where a worker dies for good and nobody asks.
 */
const SETTLED_HEARTBEAT_MS = 30 * MINUTE;

/**
 * An attempt's time includes its wait in the account's rate queue (five creates a minute make the twentieth wait four).
 * The call itself is bounded by the adapter, a dead worker by the heartbeat.
 */
const BASE: Record<ActivityClass, ActivityOptions> = {
  create: {
    startToCloseTimeout: 30 * MINUTE,
    scheduleToCloseTimeout: 60 * MINUTE,
    retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 30_000 },
    priority: { priorityKey: 3 },
  },
  read: {
    startToCloseTimeout: 5 * MINUTE,
    retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: MINUTE },
    priority: { priorityKey: 3 },
  },
  resolve: {
    startToCloseTimeout: 10 * MINUTE,
    // Something may be billing: an outage is looked into again within the minute, however long it lasts.
    retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: MINUTE },
    priority: { priorityKey: 3 },
  },
  command: {
    startToCloseTimeout: 10 * MINUTE,
    scheduleToCloseTimeout: 15 * MINUTE,
    retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 30_000 },
    priority: { priorityKey: 2 },
  },
  end: {
    startToCloseTimeout: 10 * MINUTE,
    retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: MINUTE },
    priority: { priorityKey: 1 },
  },
  record: {
    startToCloseTimeout: MINUTE,
    retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: MINUTE },
    priority: { priorityKey: 4 },
  },
  probe: {
    retry: { initialInterval: 500, backoffCoefficient: 2, maximumInterval: 10_000 },
    priority: { priorityKey: 3 },
  },
  watch: {
    startToCloseTimeout: 24 * 60 * MINUTE,
    retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 5 * MINUTE },
    priority: { priorityKey: 4 },
  },
};

export function optionsFor(activityClass: ActivityClass, more: ActivityOptions = {}): ActivityOptions {
  const base = BASE[activityClass];
  return {
    heartbeatTimeout: HEARTBEAT_MS,
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    ...base,
    ...more,
    retry: { ...base.retry, nonRetryableErrorTypes: nonRetryable(activityClass) },
  };
}

/** Activities of one class. `summary` stands beside the event in Temporal's UI. */
export function activities(activityClass: ActivityClass, summary: string, more?: ActivityOptions): InstanceActivities {
  return proxyActivities<InstanceActivities>({ ...optionsFor(activityClass, more), summary });
}

export function watchActivities(watchfulness: Watchfulness): WatchActivities {
  const heartbeatTimeout = watchfulness === 'settled' ? SETTLED_HEARTBEAT_MS : HEARTBEAT_MS;
  return proxyActivities<WatchActivities>({ ...optionsFor('watch', { heartbeatTimeout }), summary: watchfulness });
}
