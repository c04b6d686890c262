import { type ErrorKind, type FailureFact, ProviderError } from '../domain/errors.js';
import { redact } from '../redact.js';
import { HttpFailure } from './http-failure.js';

/** What an adapter's error table makes of one failure. */
export interface Verdict {
  kind: ErrorKind;
  /** The provider's own code. */
  code?: string;
  /** The request's field the provider names. */
  field?: string;
}

export interface FailureContext {
  /** The provider's id. */
  provider: string;
  /** The port's verb. */
  operation: string;
  /** A refId, a cloudId, a location: for which inputs it failed. */
  about?: string;
  /** The adapter's table; it falls back on `kindOfStatus`. */
  judge: (failure: HttpFailure) => Verdict;
}

const BY_STATUS: Record<number, ErrorKind> = {
  400: 'InvalidRequest',
  401: 'Unauthenticated',
  402: 'OutOfQuota',
  403: 'PermissionDenied',
  408: 'ServiceUnavailable',
  429: 'RateLimited',
  500: 'Internal',
  502: 'ServiceUnavailable',
  503: 'ServiceUnavailable',
  504: 'ServiceUnavailable',
};

/**
 * What a failure means when no row of the adapter's own table matches.
 *
 * A 404 that is not JSON is some proxy's: taken for the provider's word, it would make a machine that bills look gone.
 */
export function kindOfStatus(failure: HttpFailure, { isInstancePath }: { isInstancePath: boolean }): ErrorKind {
  const { status, reason } = failure;
  if (reason === 'unreadable') return 'Internal';
  if (status === undefined) return 'ServiceUnavailable';
  if (status === 404) {
    if (typeof failure.body === 'string') return 'ServiceUnavailable';
    return isInstancePath ? 'InstanceNotFound' : 'ResourceNotFound';
  }
  const kind = BY_STATUS[status];
  if (kind) return kind;
  return status >= 500 ? 'Internal' : 'InvalidRequest';
}

/** Whatever an operation of an adapter threw, as the one error the port knows. */
export function toProviderError(error: unknown, context: FailureContext): ProviderError {
  if (error instanceof ProviderError) return error;
  const { provider, operation, about } = context;
  const what = about ? `${operation} of ${about}` : operation;
  if (!(error instanceof HttpFailure)) {
    // A bug of ours, or a value that cannot be put into a request: repeating it changes nothing.
    const why = error instanceof Error ? error.message : String(error);
    return new ProviderError(
      { kind: 'InvalidRequest', operation, message: redact(`${provider}: ${what}: ${why}`) },
      error,
    );
  }
  const { kind, code, field } = context.judge(error);
  const details = [describe(error), isWord(code) && code, isWord(field) && `field ${field}`].filter(Boolean).join(', ');
  const fact: FailureFact = {
    kind,
    operation,
    message: redact(`${provider}: ${what} failed: ${details}`),
    ...(isWord(code) && { providerCode: code }),
    ...(error.status !== undefined && { httpStatus: error.status }),
    ...(error.requestId && { requestId: error.requestId }),
    ...(error.retryAfterMs !== undefined && { retryAfterMs: error.retryAfterMs }),
  };
  return new ProviderError(fact, error);
}

/** Asks nothing of the provider: the adapter itself knows that it cannot. */
export function notSupported(provider: string, operation: string, why: string): ProviderError {
  return new ProviderError({ kind: 'NotSupported', operation, message: `${provider}: ${operation}: ${why}` });
}

/**
 * Whether nothing was created, beyond doubt: the request never left, or the provider itself said no in its own words.
 *
 * Not so: 5xx, 408 and 409 (it may be there already) unless the adapter knows the code; whatever a proxy says.
 */
export function isDefiniteRefusal(failure: HttpFailure, isKnownRefusal: boolean): boolean {
  if (failure.sent === 'not-sent' || failure.status === 429) return true;
  if (failure.reason !== 'status' || failure.status === undefined || typeof failure.body === 'string') return false;
  if (isKnownRefusal) return true;
  return failure.status >= 400 && failure.status < 500 && ![408, 409].includes(failure.status);
}

function describe({ message, isHtml, reason }: HttpFailure): string {
  return isHtml && reason !== 'connection' ? `${message} with a web page` : message;
}

/** Codes and field names are quoted in messages that are kept for years: one word, or not at all. */
function isWord(text: string | undefined): text is string {
  return text !== undefined && /^[\w.:/[\]-]{1,100}$/.test(text);
}
