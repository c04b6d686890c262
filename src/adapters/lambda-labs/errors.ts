import { z } from 'zod';
import type { ErrorKind } from '../../domain/errors.js';
import type { Provider } from '../../domain/provider.js';
import { isDefiniteRefusal, kindOfStatus, type Verdict } from '../failures.js';
import type { HttpFailure } from '../http-failure.js';

export type Operation = Exclude<keyof Provider, 'id' | 'cloudCredRefId' | 'capabilities' | 'limits'>;

/** What was asked: the same code means different things to a launch and to a look. */
export interface Asked {
  operation: Operation;
  /** Whether the launch named an image. */
  namesImage?: boolean;
}

/** Lambda's codes under our kinds (API 1.10.0). The code decides, the HTTP status only where there is none. */
export const KIND_BY_CODE: Readonly<Record<string, ErrorKind>> = {
  'instance-operations/launch/insufficient-capacity': 'InsufficientResources',
  'global/quota-exceeded': 'OutOfQuota',
  'global/not-found': 'ResourceNotFound',
  'global/invalid-api-key': 'Unauthenticated',
  'global/account-inactive': 'PermissionDenied',
  'global/invalid-address': 'PermissionDenied',
  'global/forbidden': 'PermissionDenied',
  'global/invalid-parameters': 'InvalidRequest',
  'global/duplicate': 'InvalidRequest',
  'instance-operations/launch/file-system-in-wrong-region': 'InvalidRequest',
  'firewall-rulesets/firewall-ruleset-in-use': 'InvalidRequest',
  'filesystems/filesystem-in-use': 'InvalidRequest',
  'global/internal-error': 'Internal',
  'global/unknown': 'Internal',
};

/** Nothing was launched, whatever the status: Lambda looked before it acted. */
const LAUNCH_REFUSALS: ReadonlySet<string> = new Set([
  'instance-operations/launch/insufficient-capacity',
  'instance-operations/launch/file-system-in-wrong-region',
  'global/quota-exceeded',
]);

/** Of upstream services behind Lambda. */
const PROVIDER_PREFIX = 'provider/';

const ON_INSTANCES: ReadonlySet<Operation> = new Set(['getInstance', 'terminateInstance', 'rebootInstance']);

/** Older versions said it in words only, with whatever code and status. */
const OLD_NOT_FOUND = /instance does not exist/i;

const errorBody = z.object({
  error: z.object({ code: z.string().optional().catch(undefined), message: z.string().optional().catch(undefined) }),
});

export function judge(failure: HttpFailure, asked: Asked): Verdict {
  const { code, message = '' } = wordsOf(failure);
  const onInstance = ON_INSTANCES.has(asked.operation);
  const kind =
    (code === 'global/object-does-not-exist' && doesNotExist(asked)) ||
    (code === 'global/conflict' && conflict(asked)) ||
    (onInstance && OLD_NOT_FOUND.test(message) && 'InstanceNotFound') ||
    (code?.startsWith(PROVIDER_PREFIX) && 'ServiceUnavailable') ||
    (code !== undefined && Object.hasOwn(KIND_BY_CODE, code) && KIND_BY_CODE[code]) ||
    (isCloudflareBan(failure) && 'RateLimited') ||
    withoutCode(failure);
  return { kind, ...(code && { code }) };
}

/** Whether a launch that failed like this has certainly made nothing. */
export function isLaunchRefusal(failure: HttpFailure): boolean {
  const { code } = wordsOf(failure);
  if (isCloudflareBan(failure)) return true; // it never reached Lambda
  if (code?.startsWith(PROVIDER_PREFIX)) return false; // how far it came upstream, nobody says
  return isDefiniteRefusal(failure, code !== undefined && LAUNCH_REFUSALS.has(code));
}

/** At a launch: region, type, key or image, and no code says which. */
function doesNotExist({ operation, namesImage }: Asked): ErrorKind {
  if (operation === 'createInstance') return namesImage ? 'ImageNotFound' : 'InvalidRequest';
  return ON_INSTANCES.has(operation) ? 'InstanceNotFound' : 'ResourceNotFound';
}

/** Busy: a termination is tried with growing gaps, all else for a while. */
function conflict({ operation }: Asked): ErrorKind {
  return operation === 'terminateInstance' ? 'NotYet' : 'ServiceUnavailable';
}

/**
 * A 404 without a code is not Lambda's but some router's, for a wrong `apiUrl` perhaps. Believed, it would make
 * `terminateInstance` succeed and leave the machine to bill.
 */
function withoutCode(failure: HttpFailure): ErrorKind {
  return failure.status === 404 ? 'ServiceUnavailable' : kindOfStatus(failure, { isInstancePath: false });
}

/** Above the rate limit Cloudflare answers with a page of its own, not always as 429. */
function isCloudflareBan({ body, isHtml }: HttpFailure): boolean {
  return isHtml && /error (?:code:? )?1015|banned you temporarily/i.test(String(body));
}

function wordsOf({ reason, body }: HttpFailure): { code?: string; message?: string } {
  return (reason === 'status' && errorBody.safeParse(body).data?.error) || {};
}
