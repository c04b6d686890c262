import {
  isGrpcServiceError,
  QueryNotRegisteredError,
  ServiceError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { REFUSALS } from '../domain/errors.js';
import type { RefId } from '../domain/ids.js';
import type { RequestIssue } from '../domain/instance/index.js';
import { type ClientErrorKind, SlipwayError } from './errors.js';

/** What Temporal threw, as ours. Anything it does not know is passed on as it is: a bug, not an answer. */
export function toSlipwayError(error: unknown, refId: RefId): unknown {
  if (error instanceof SlipwayError) return error;
  if (error instanceof WorkflowUpdateFailedError || error instanceof WorkflowFailedError) {
    return fromFailure(error.cause) ?? error;
  }
  if (error instanceof WorkflowNotFoundError) {
    return new SlipwayError('NotFound', `No instance has the refId ${refId}.`, {}, error);
  }
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || error instanceof QueryNotRegisteredError) {
    return noWorker(error);
  }
  if (isGrpcServiceError(error)) return fromGrpc(error);
  if (error instanceof Error && Object.hasOwn(JOURNAL_ERRORS, error.name)) {
    return new SlipwayError(JOURNAL_ERRORS[error.name] ?? 'Unreachable', error.message, {}, error);
  }
  // The SDK wraps what a query met: our own deadline shows as a cancellation inside.
  if (error instanceof ServiceError && isGrpcServiceError(error.cause)) return fromGrpc(error.cause);
  return error;
}

/** By name: to ask does not load the database drivers. */
const JOURNAL_ERRORS: Readonly<Record<string, ClientErrorKind>> = {
  JournalUnavailable: 'Unreachable',
  JournalInvalid: 'InvalidRequest',
  JournalSchemaMismatch: 'InvalidRequest',
};

function fromFailure(cause: unknown): SlipwayError | undefined {
  if (!(cause instanceof ApplicationFailure)) return undefined;
  const { type, message, details } = cause;
  if (type === 'AcceptedUpdateCompletedWorkflow') {
    return new SlipwayError('WrongPhase', 'The instance ended while the command was on its way.', {}, cause);
  }
  if (!isClientKind(type)) return undefined;
  const [first] = (details ?? []) as { issues?: RequestIssue[] }[];
  return new SlipwayError(type, message, first?.issues ? { issues: first.issues } : {}, cause);
}

function isClientKind(type: unknown): type is ClientErrorKind {
  return (
    typeof type === 'string' && (Object.hasOwn(REFUSALS, type) || type === 'InvalidRequest' || type === 'NotSupported')
  );
}

/** gRPC's numbers for "nobody home": 1 and 4 our own deadline, 14 unavailable; 9 is a query without a poller. */
function fromGrpc(error: Error & { code?: number }): unknown {
  if (error.code === 14)
    return new SlipwayError('Unreachable', `Temporal does not answer: ${error.message}`, {}, error);
  if (error.code === 1 || error.code === 4 || error.code === 9) return noWorker(error);
  return error;
}

function noWorker(error: Error): SlipwayError {
  const message = 'No worker answered in time. Is one running on this task queue (slipway worker)?';
  return new SlipwayError('Unreachable', message, {}, error);
}
