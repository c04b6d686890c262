import { ActivityFailure, ApplicationFailure, CancelledFailure, TimeoutFailure } from '@temporalio/common';
import { type FailureFact, isErrorKind } from '../domain/errors.js';

/**
 * What an activity's failure says. `silent` is the kind of an activity that ended without an answer: its worker died,
 * or it ran out of time.
 */
export function toFailureFact(
  error: unknown,
  silent: 'UnknownOutcome' | 'WaitTimeout' | 'ServiceUnavailable',
): FailureFact {
  if (!(error instanceof ActivityFailure)) throw error; // a bug of ours: the workflow task waits for the fix
  const { cause } = error;
  if (cause instanceof ApplicationFailure) return fromApplicationFailure(cause);
  if (cause instanceof TimeoutFailure) {
    const last = cause.cause instanceof ApplicationFailure ? fromApplicationFailure(cause.cause) : undefined;
    // After a create that ran out of time the last refusal means nothing: the attempt under way may have worked.
    if (last && silent !== 'UnknownOutcome') return last;
    const after = last ? ` Before that: ${last.message}` : '';
    return { kind: silent, message: `${error.activityType} got no answer in time (${cause.timeoutType}).${after}` };
  }
  if (cause instanceof CancelledFailure) return { kind: silent, message: `${error.activityType} was cancelled.` };
  return { kind: silent, message: `${error.activityType} failed: ${cause?.message ?? 'no cause given'}` };
}

function fromApplicationFailure(failure: ApplicationFailure): FailureFact {
  const [fact] = failure.details ?? [];
  if (isFact(fact)) return fact;
  return { kind: isErrorKind(failure.type) ? failure.type : 'Internal', message: failure.message };
}

function isFact(value: unknown): value is FailureFact {
  const fact = value as Partial<FailureFact> | null;
  return typeof fact === 'object' && fact !== null && isErrorKind(fact.kind) && typeof fact.message === 'string';
}
