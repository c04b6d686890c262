import { status as STATUS } from '@grpc/grpc-js';
import { type ErrorKind, type FailureFact, ProviderError } from '../../domain/errors.js';
import type { Provider } from '../../domain/provider.js';
import { redact } from '../../redact.js';
import { toProviderError as ofOtherErrors } from '../failures.js';
import { GrpcFailure, type VendorError, type VendorStatus } from './grpc-failure.js';

export const ID = 'nebius';

export type Operation = Exclude<keyof Provider, 'id' | 'cloudCredRefId' | 'capabilities' | 'limits' | 'firewall'>;

/** `busy`: another operation is on the resource. What that means depends on what was asked. */
type Meaning = ErrorKind | 'busy' | 'missing';

/** Which of `ServiceError`'s details is set. Looked at before the code: one code carries stock, quota and rate alike. */
export const BY_DETAIL: Readonly<Record<string, Meaning>> = {
  not_enough_resources: 'InsufficientResources',
  quota_failure: 'OutOfQuota',
  too_many_requests: 'RateLimited',
  resource_not_found: 'missing',
  resource_already_exists: 'InvalidRequest', // of another's: our own is looked up and adopted
  permission_denied: 'PermissionDenied',
  bad_request: 'InvalidRequest',
  out_of_range: 'InvalidRequest',
  bad_resource_state: 'busy',
  resource_conflict: 'busy',
  operation_conflict: 'busy',
  operation_aborted: 'busy',
  internal_error: 'Internal',
};

/** Without details, or with those that we do not know. */
export const BY_CODE: Readonly<Record<number, Meaning>> = {
  [STATUS.CANCELLED]: 'ServiceUnavailable',
  [STATUS.UNKNOWN]: 'Internal',
  [STATUS.INVALID_ARGUMENT]: 'InvalidRequest',
  [STATUS.DEADLINE_EXCEEDED]: 'ServiceUnavailable',
  [STATUS.NOT_FOUND]: 'missing',
  [STATUS.ALREADY_EXISTS]: 'InvalidRequest',
  [STATUS.PERMISSION_DENIED]: 'PermissionDenied',
  [STATUS.RESOURCE_EXHAUSTED]: 'OutOfQuota',
  [STATUS.FAILED_PRECONDITION]: 'busy',
  [STATUS.ABORTED]: 'busy',
  [STATUS.OUT_OF_RANGE]: 'InvalidRequest',
  [STATUS.UNIMPLEMENTED]: 'InvalidRequest',
  [STATUS.INTERNAL]: 'Internal',
  [STATUS.UNAVAILABLE]: 'ServiceUnavailable',
  [STATUS.DATA_LOSS]: 'Internal',
  [STATUS.UNAUTHENTICATED]: 'Unauthenticated',
};

/** Want of stock that comes as a timeout of the scheduler, in words only. */
const NO_STOCK = /insufficient hardware resources/i;

/** Orders to one machine: while another operation is on it they are to be repeated. */
const ORDERS: ReadonlySet<Operation> = new Set([
  'terminateInstance',
  'stopInstance',
  'startInstance',
  'updateTags',
  'changeInstanceType',
]);
const ON_INSTANCES: ReadonlySet<Operation> = new Set([...ORDERS, 'getInstance']);

export function kindOf(failure: GrpcFailure, operation: Operation): ErrorKind {
  const { reason, status } = failure;
  if (reason === 'unreadable') return 'Internal';
  if (reason !== 'status' || !status) return 'ServiceUnavailable';
  const meaning = meaningOf(status);
  if (meaning === 'busy') return ORDERS.has(operation) ? 'NotYet' : 'ServiceUnavailable';
  if (meaning === 'missing') return ON_INSTANCES.has(operation) ? 'InstanceNotFound' : 'ResourceNotFound';
  return meaning;
}

function meaningOf({ code, message, errors }: VendorStatus): Meaning {
  if (NO_STOCK.test(message)) return 'InsufficientResources';
  return known(errors)?.meaning ?? BY_CODE[code] ?? 'Internal';
}

function known(errors: readonly VendorError[]): { meaning: Meaning; error: VendorError } | undefined {
  const all = errors.flatMap((error) => {
    const meaning = error.detail !== undefined && Object.hasOwn(BY_DETAIL, error.detail) && BY_DETAIL[error.detail];
    return meaning ? [{ meaning, error }] : [];
  });
  // Several may come at once: want of stock says most about the offer, then the account's own limits.
  const first = (meaning: Meaning) => all.find((one) => one.meaning === meaning);
  return first('InsufficientResources') ?? first('OutOfQuota') ?? all[0];
}

/** What is never said of a create that Nebius may have begun. */
const DOUBTFUL: ReadonlySet<number> = new Set([
  STATUS.CANCELLED,
  STATUS.UNKNOWN,
  STATUS.DEADLINE_EXCEEDED,
  STATUS.ALREADY_EXISTS,
  STATUS.ABORTED,
  STATUS.INTERNAL,
  STATUS.UNAVAILABLE,
  STATUS.DATA_LOSS,
]);

/** Whether nothing was created, beyond doubt: it never left, or Nebius itself said no in its own words. */
export function isCreateRefusal({ sent, reason, status }: GrpcFailure): boolean {
  if (sent === 'not-sent') return true;
  if (reason !== 'status' || !status) return false;
  const detail = known(status.errors)?.error.detail;
  if (detail === undefined) return !DOUBTFUL.has(status.code) && BY_CODE[status.code] !== undefined;
  return !['internal_error', 'operation_aborted', 'resource_already_exists'].includes(detail);
}

/** The name is taken: by ourselves, as a rule. */
export function isNameTaken({ status }: GrpcFailure): boolean {
  return (
    status?.code === STATUS.ALREADY_EXISTS ||
    status?.errors.some(({ detail }) => detail === 'resource_already_exists') === true
  );
}

/** Whether another operation is on the resource, or it is in another state than the order needs. */
export function isBusy({ reason, status }: GrpcFailure): boolean {
  return reason === 'status' && status !== undefined && meaningOf(status) === 'busy';
}

/** What is missing is the image that was asked for. */
export function isAboutImage({ status }: GrpcFailure, imageId: string | undefined): boolean {
  if (imageId === undefined || !status || meaningOf(status) !== 'missing') return false;
  return status.errors.some(({ resourceId }) => resourceId === imageId) || status.message.includes(imageId);
}

/** Whatever an operation threw, as the one error the port knows. `kind`: where the caller knows better than the table. */
export function toProviderError(error: unknown, operation: Operation, about: string, kind?: ErrorKind): ProviderError {
  if (!(error instanceof GrpcFailure)) return ofOtherErrors(error, { provider: ID, operation, about, judge: unused });
  const { status, message, requestId, retryAfterMs } = error;
  const said = status && (known(status.errors)?.error ?? status.errors[0]);
  const code = said?.code || said?.detail || (status && STATUS[status.code]);
  const details = [message, isWord(code) && code, isWord(said?.field) && `field ${said?.field}`].filter(Boolean);
  const fact: FailureFact = {
    kind: kind ?? kindOf(error, operation),
    operation,
    message: redact(`${ID}: ${operation} of ${about} failed: ${details.join(', ')}`),
    ...(isWord(code) && { providerCode: code }),
    ...(requestId && { requestId }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
  return new ProviderError(fact, error);
}

/** There is no HTTP here. */
function unused(): never {
  throw new TypeError('a failure over HTTP from a provider that speaks gRPC');
}

/** Quoted in messages that are kept for years: one word, or not at all. */
function isWord(text: string | undefined): text is string {
  return text !== undefined && /^[\w.:/[\]-]{1,100}$/.test(text);
}
