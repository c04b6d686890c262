import { z } from 'zod';
import type { ErrorKind } from '../../domain/errors.js';
import type { Provider } from '../../domain/provider.js';
import { isDefiniteRefusal, kindOfStatus, type Verdict } from '../failures.js';
import type { HttpFailure } from '../http-failure.js';

export type Operation = Exclude<keyof Provider, 'id' | 'cloudCredRefId' | 'capabilities' | 'limits'>;

/** The one code that is documented. Also said of a region that does not exist. */
export const KIND_BY_CODE: Readonly<Record<string, ErrorKind>> = { OUT_OF_STOCK: 'InsufficientResources' };

const ON_INSTANCES: ReadonlySet<Operation> = new Set([
  'getInstance',
  'terminateInstance',
  'rebootInstance',
  'updateTags',
]);

const errorBody = z.object({
  error_code: z.string().optional().catch(undefined),
  error: z.string().optional().catch(undefined),
});

/** The code first; then the status, for only 409 comes with a code. */
export function judge(failure: HttpFailure, operation: Operation): Verdict {
  const { error_code: code } = wordsOf(failure);
  const known = code !== undefined && Object.hasOwn(KIND_BY_CODE, code) ? KIND_BY_CODE[code] : undefined;
  return { kind: known ?? byStatus(failure, operation), ...(code && { code }) };
}

/** A 409 with a code is Shadeform's own word; without one it may mean that the machine is there already. */
export function isCreateRefusal(failure: HttpFailure): boolean {
  return isDefiniteRefusal(failure, failure.status === 409 && wordsOf(failure).error_code !== undefined);
}

/** On `/sshkeys/add`, whatever the status; in words only. */
export function isNameTaken({ body }: HttpFailure): boolean {
  const said = typeof body === 'string' ? body : JSON.stringify(body ?? '');
  return /name must be unique/i.test(said);
}

function byStatus(failure: HttpFailure, operation: Operation): ErrorKind {
  const { status = 0, reason } = failure;
  if (reason === 'status' && status >= 500) return 'ServiceUnavailable'; // inferred
  if (status === 409) return operation === 'terminateInstance' ? 'NotYet' : 'InvalidRequest'; // inferred
  if (status === 404) return notFound(failure, operation);
  return kindOfStatus(failure, { isInstancePath: false });
}

/**
 * Their 404 may be JSON or plain text. A web page, or the words of a bare router, prove no absence: believed, they would
 * make `terminateInstance` succeed and leave the machine to bill.
 */
function notFound(failure: HttpFailure, operation: Operation): ErrorKind {
  const { body, isHtml } = failure;
  const isRouter =
    typeof body === 'string' && (body.trim() === '' || /404 page not found|cannot (?:get|post)/i.test(body));
  const { error, error_code: code } = wordsOf(failure);
  const isTheirs = typeof body === 'string' ? !isHtml && !isRouter : error !== undefined || code !== undefined;
  if (!isTheirs) return 'ServiceUnavailable';
  return ON_INSTANCES.has(operation) ? 'InstanceNotFound' : 'ResourceNotFound';
}

function wordsOf({ reason, body }: HttpFailure): z.output<typeof errorBody> {
  return (reason === 'status' && errorBody.safeParse(body).data) || {};
}
