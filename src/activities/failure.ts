import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import { ERRORS, type ErrorRetry, type FailureFact, ProviderError } from '../domain/errors.js';
import { redact, redactFields } from '../redact.js';

/**
 * `short`: a create has other offers to go to. `bounded`: the policy's time ends it. `forever`: something may be billing,
 * so that even a credential that is not accepted is tried again.
 */
export type Patience = 'short' | 'bounded' | 'forever';

/** How long an outage holds up a create before the next offer is tried, in ms. */
const OUTAGE_PATIENCE_MS = 60_000;

/**
 * The only place where an error becomes a Temporal failure: `type` is the kind, `details[0]` the fact, and the
 * provider's own delay the next retry's. What is retried at all stands in the error table, read by
 * `workflows/policies.ts`; here is only what a policy cannot see: how often a token was refused, how long an outage lasts.
 */
export function toApplicationFailure(error: unknown, patience: Patience = 'bounded'): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error;
  const fact = toFact(error);
  const { retry } = ERRORS[fact.kind];
  return ApplicationFailure.create({
    type: fact.kind,
    message: fact.message,
    details: [fact],
    nonRetryable: isSpent(retry, patience),
    ...(fact.retryAfterMs !== undefined && { nextRetryDelay: fact.retryAfterMs }),
    // Expected while waiting: no warning in the worker's log, no mark on its failure metric.
    ...(fact.kind === 'NotYet' && { category: ApplicationFailureCategory.BENIGN }),
  });
}

/** Has this activity been as patient as the table asks? */
function isSpent(retry: ErrorRetry, patience: Patience): boolean {
  const { attempt, scheduledTimestampMs } = activityInfo();
  if (patience !== 'forever' && retry === 'once') return attempt > 1;
  if (patience === 'short' && retry === 'backoff') return Date.now() - scheduledTimestampMs > OUTAGE_PATIENCE_MS;
  return false;
}

/** The error as a fact, without secrets. What is no `ProviderError` is a bug of ours: `Internal`, by its name. */
export function toFact(error: unknown): FailureFact {
  if (error instanceof ProviderError) return redactFields(error.fact) as FailureFact; // a provider may echo a key anywhere
  const name = error instanceof Error ? error.name : typeof error;
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'Internal', message: redact(`${name}: ${message}`) };
}
