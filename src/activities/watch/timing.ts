/** All in ms. */
export interface WatchTiming {
  /** Pace when every machine is settled. */
  settledIntervalMs: number;
  /** After a wake-up: how long to keep the fast pace although nothing is to be seen yet. */
  alertMs: number;
  /** How long an account without machines is watched at that pace before the watcher goes to sleep. */
  idleAfterMs: number;
  /** How long a machine must have been without an owner before it counts as a stray. */
  strayGraceMs: number;
  /** What was known so long ago may have been overtaken: by a watcher elsewhere, while this process was held up. */
  rememberMs: number;
  /** How often Temporal is asked which instances there are, besides at the start: no listing tells that an owner went away. */
  ownersIntervalMs: number;
  /** How often the catalog is looked at while offers stand refused; never more often than the account is listed. */
  stockIntervalMs: number;
  /** One watch lasts no longer: only between two can its workflow, which counts every wake-up, begin a new history. */
  turnMs: number;
}

export const WATCH_TIMING: WatchTiming = {
  settledIntervalMs: 60_000,
  alertMs: 30_000,
  idleAfterMs: 120_000,
  strayGraceMs: 60_000,
  rememberMs: 180_000,
  ownersIntervalMs: 15 * 60_000,
  stockIntervalMs: 60_000,
  turnMs: 30 * 60_000,
};
