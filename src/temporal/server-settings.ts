/**
 * Dynamic config for any server that Slipway runs on, in production too (`docs/` shows it as a YAML file).
 * Why, in one line each; measurements: a workflow of six activities took 651 ms by default and 64 ms with the first four
 * (server 1.31.2, two cores, 2026-11).
 */
export const DYNAMIC_CONFIG = {
  /** Default 20 per shard: 50 ms for each hop of a task, whatever the machine. */
  'history.transferProcessorMaxPollRPS': 2000,
  'history.timerProcessorMaxPollRPS': 2000,
  /** Search attributes become visible at this pace. */
  'history.visibilityProcessorMaxPollRPS': 200,
  /** An activity starts with the workflow task that asked for it, when that worker has a free slot. Off by default. */
  'system.enableActivityEagerExecution': true,

  /** Defaults (2,400, 2,400, 3,000 and 1,200 a second) refuse a burst of 1,000 workflows: some 25 calls each. */
  'frontend.rps': 50_000,
  'frontend.namespaceRPS': 50_000,
  'history.rps': 50_000,
  'matching.rps': 50_000,
  'matching.persistenceMaxQPS': 20_000,
  /** Listing and counting instances, default 10 a second. */
  'frontend.namespaceRPS.visibility': 500,
  /** Long polls and waiting updates at once, per kind; default 1,200: a caller that waits for each of 1,000 plus workers. */
  'frontend.namespaceCount': 10_000,
  /** Updates one workflow may hold at once, default 10; a burst aimed at one workflow queues instead of being refused. */
  'history.maxInFlightUpdates': 1000,
} as const;

/** On top, for a dev server: one process and one shard gain nothing from the default four partitions of a queue. */
export const DEV_SERVER_DYNAMIC_CONFIG = {
  ...DYNAMIC_CONFIG,
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
} as const;

/**
 * For a dev server on a file. Without these 200 concurrent workflows ran at 8 a second with a storm of errors, with
 * them at 25 a second and clean. In WAL mode a killed server loses nothing it committed; a power cut may lose the tail.
 */
export const SQLITE_PRAGMAS = { journal_mode: 'wal', synchronous: 'normal' } as const;
