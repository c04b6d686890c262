/** Workflows of the policies' own test: activities that fail as they are told, under the product's retry policies. */
import { ActivityFailure, type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import type { Patience } from '../../src/activities/failure.js';
import type { ErrorKind, FailureFact } from '../../src/domain/errors.js';
import { toFailureFact } from '../../src/workflows/failure.js';
import { type ActivityClass, optionsFor } from '../../src/workflows/policies.js';

export interface FlakyInput {
  kind: ErrorKind;
  /** How many attempts fail. */
  failures: number;
  retryAfterMs?: number;
  patience: Patience;
}

export interface FlakyActivities {
  /** @returns the number of attempts, and how long they took in ms. */
  flaky(input: FlakyInput): Promise<{ attempts: number; tookMs: number }>;
  /** The first attempt gives no answer in time, and no sign of life if `dies`. */
  silent(input: { dies: boolean; beforeThat?: ErrorKind }): Promise<{ attempts: number }>;
}

/** What the workflow saw: how many attempts it took, or the fact that it would record. */
export type Verdict = { attempts: number; tookMs?: number } | { fact: FailureFact; failureType?: string };

/** The class's own options, with the gaps made small. Which kinds end it is the product's. */
function quick(activityClass: ActivityClass, more: ActivityOptions = {}): FlakyActivities {
  const options = optionsFor(activityClass, { startToCloseTimeout: 10_000, ...more });
  const retry = { ...options.retry, initialInterval: 10, maximumInterval: 20 };
  return proxyActivities<FlakyActivities>({ ...options, retry });
}

export async function meetKinds(activityClass: ActivityClass, inputs: FlakyInput[]): Promise<Verdict[]> {
  const { flaky } = quick(activityClass);
  return await Promise.all(inputs.map((input) => verdictOf(activityClass, () => flaky(input))));
}

export async function meetSilence(
  activityClass: ActivityClass,
  input: { dies: boolean; beforeThat?: ErrorKind },
): Promise<Verdict> {
  const { silent } = quick(activityClass, { startToCloseTimeout: 1_500, heartbeatTimeout: 1_000 });
  return await verdictOf(activityClass, () => silent(input));
}

async function verdictOf(activityClass: ActivityClass, work: () => Promise<{ attempts: number }>): Promise<Verdict> {
  try {
    return await work();
  } catch (error) {
    const fact = toFailureFact(error, activityClass === 'create' ? 'UnknownOutcome' : 'WaitTimeout');
    const cause = error instanceof ActivityFailure ? (error.cause as { type?: string } | undefined) : undefined;
    return { fact, ...(cause?.type && { failureType: cause.type }) };
  }
}
