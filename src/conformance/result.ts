import type { Cost } from './cost.js';

export type Status = 'passed' | 'failed' | 'skipped';

/** How one check went. */
export interface CheckResult {
  id: string;
  title: string;
  status: Status;
  /** What was seen; for a skipped one why there is nothing to see. Without secrets. */
  evidence: string;
  durationMs: number;
}

/** One run, as JSON has it. Fields are added, never renamed. */
export interface ConformanceReport {
  suite: 'slipway-conformance';
  version: 1;
  provider: string;
  cloudCredRefId: string;
  /** Of every machine that the run made: what it left, if it did, is found by it. */
  refIdPrefix: string;
  /** The id of the type that was rented; absent when none could be chosen. */
  offer?: string;
  cost?: Cost;
  startedAt: string;
  durationMs: number;
  /** Not all checks were run: somebody pressed Ctrl-C. */
  isInterrupted: boolean;
  passed: number;
  failed: number;
  skipped: number;
  checks: CheckResult[];
  /** What could not be ended, of this run and of those before, or not be looked for: it may bill. */
  left: string[];
}
