import { z } from 'zod';
import type { ErrorKind } from '../../domain/errors.js';
import type { Provider } from '../../domain/provider.js';
import { isDefiniteRefusal, kindOfStatus, type Verdict } from '../failures.js';
import type { HttpFailure } from '../http-failure.js';

export type Operation = Exclude<
  keyof Provider,
  'id' | 'cloudCredRefId' | 'capabilities' | 'limits' | 'firewall' | 'prices' | 'stock'
>;

/**
 * EC2's codes under our kinds (API reference, "Error codes"). The code decides; the HTTP status only where it is not here,
 * for capacity comes as 500 and throttling as 503.
 */
export const KIND_BY_CODE: Readonly<Record<string, ErrorKind>> = {
  InsufficientInstanceCapacity: 'InsufficientResources',
  InsufficientHostCapacity: 'InsufficientResources',
  InsufficientReservedInstanceCapacity: 'InsufficientResources',
  InsufficientCapacity: 'InsufficientResources',
  InsufficientVolumeCapacity: 'InsufficientResources',
  InsufficientAddressCapacity: 'InsufficientResources',
  InsufficientFreeAddressesInSubnet: 'InsufficientResources',

  VcpuLimitExceeded: 'OutOfQuota',
  InstanceLimitExceeded: 'OutOfQuota',
  VolumeLimitExceeded: 'OutOfQuota',
  MaxIOPSLimitExceeded: 'OutOfQuota',
  NetworkInterfaceLimitExceeded: 'OutOfQuota',
  SecurityGroupLimitExceeded: 'OutOfQuota',
  AddressLimitExceeded: 'OutOfQuota',
  TagLimitExceeded: 'InvalidRequest', // 50 on one machine
  RulesPerSecurityGroupLimitExceeded: 'InvalidRequest', // of this request, in one group
  SecurityGroupsPerInterfaceLimitExceeded: 'InvalidRequest',

  RequestLimitExceeded: 'RateLimited',
  Throttling: 'RateLimited',
  ThrottlingException: 'RateLimited',
  RequestThrottled: 'RateLimited',
  EC2ThrottledException: 'RateLimited',

  AuthFailure: 'Unauthenticated',
  SignatureDoesNotMatch: 'Unauthenticated',
  InvalidClientTokenId: 'Unauthenticated',
  UnrecognizedClientException: 'Unauthenticated',
  InvalidAccessKeyId: 'Unauthenticated',
  IncompleteSignature: 'Unauthenticated',
  MissingAuthenticationToken: 'Unauthenticated',
  ExpiredToken: 'Unauthenticated',
  ExpiredTokenException: 'Unauthenticated',
  RequestExpired: 'Unauthenticated', // mostly our clock

  UnauthorizedOperation: 'PermissionDenied',
  AccessDenied: 'PermissionDenied',
  AccessDeniedException: 'PermissionDenied',
  OptInRequired: 'PermissionDenied',
  PendingVerification: 'PermissionDenied',
  Blocked: 'PermissionDenied',

  'InvalidAMIID.NotFound': 'ImageNotFound',
  'InvalidAMIID.Malformed': 'ImageNotFound',
  'InvalidAMIID.Unavailable': 'ImageNotFound',

  'InvalidInstanceID.NotFound': 'InstanceNotFound',
  'InvalidGroup.NotFound': 'ResourceNotFound',
  'InvalidSecurityGroupID.NotFound': 'ResourceNotFound',
  'InvalidPermission.NotFound': 'ResourceNotFound',
  'InvalidVolume.NotFound': 'ResourceNotFound',
  'InvalidVpcID.NotFound': 'ResourceNotFound',
  'InvalidSubnetID.NotFound': 'ResourceNotFound',

  'InvalidPermission.Duplicate': 'DuplicateFirewallRule',

  DependencyViolation: 'NotYet',
  'InvalidGroup.InUse': 'NotYet',
  ConcurrentTagAccess: 'NotYet',
  IncorrectModificationState: 'NotYet',
  VolumeModificationRateExceeded: 'NotYet', // once in six hours
  VolumeInUse: 'NotYet',

  Unsupported: 'InvalidRequest', // the type, in this zone
  InvalidInstanceType: 'InvalidRequest',
  'InvalidInstanceID.Malformed': 'InvalidRequest', // never an id that AWS gave: no proof of absence
  InvalidParameterValue: 'InvalidRequest',
  InvalidParameterCombination: 'InvalidRequest',
  MissingParameter: 'InvalidRequest',
  InvalidBlockDeviceMapping: 'InvalidRequest',
  VPCIdNotSpecified: 'InvalidRequest', // there is no default VPC

  Unavailable: 'ServiceUnavailable',
  ServiceUnavailable: 'ServiceUnavailable',
  InternalError: 'Internal',
  InternalFailure: 'Internal',
};

/** The token was used before, by this attempt: its machine exists, or did. Only a look tells. */
const MAYBE_MADE: ReadonlySet<string> = new Set(['IdempotentParameterMismatch', 'IdempotentInstanceTerminated']);

const THROTTLES = new Set(Object.keys(KIND_BY_CODE).filter((code) => KIND_BY_CODE[code] === 'RateLimited'));

/** Nothing about the request; after these nobody knows how far AWS came. */
const IN_DOUBT: ReadonlySet<ErrorKind> = new Set(['Internal', 'ServiceUnavailable']);

const POWER: ReadonlySet<Operation> = new Set(['stopInstance', 'startInstance', 'rebootInstance']);
const errorBody = z.object({ code: z.string(), message: z.string().catch('') });

export function judge(failure: HttpFailure, operation: Operation): Verdict {
  const { code, message } = wordsOf(failure);
  if (code === undefined) return { kind: kindOfStatus(failure, { isInstancePath: false }) };
  return { kind: byCircumstance(code, message, operation) ?? byCode(code, operation) ?? byStatus(failure), code };
}

/** Whether a RunInstances that failed like this has certainly made nothing. */
export function isCreateRefusal(failure: HttpFailure): boolean {
  const { code } = wordsOf(failure);
  if (code === undefined) return isDefiniteRefusal(failure, false);
  if (MAYBE_MADE.has(code)) return false;
  const kind = byCode(code, 'createInstance');
  return isDefiniteRefusal(failure, kind !== undefined && !IN_DOUBT.has(kind));
}

export function isThrottle(failure: HttpFailure): boolean {
  return failure.status === 429 || THROTTLES.has(wordsOf(failure).code ?? '');
}

export function codeOf(error: HttpFailure): string | undefined {
  return wordsOf(error).code;
}

/** The same code means different things to a create, to an end and to a look. */
function byCircumstance(code: string, message: string, operation: Operation): ErrorKind | undefined {
  if (MAYBE_MADE.has(code)) return 'Internal';
  if (code === 'AuthFailure' && /not authorized for images/i.test(message)) return 'ImageNotFound'; // somebody's private one
  if (code === 'IncorrectInstanceState' || code === 'IncorrectState') {
    return POWER.has(operation) || operation === 'terminateInstance' ? 'NotYet' : 'InvalidRequest';
  }
  // Termination protection: somebody switched it on, and may switch it off.
  if (code === 'OperationNotPermitted') return operation === 'terminateInstance' ? 'NotYet' : 'InvalidRequest';
  if (code === 'UnsupportedOperation') return POWER.has(operation) ? 'NotSupported' : 'InvalidRequest';
  if (operation !== 'createInstance') return undefined;
  // EC2 is only eventually consistent: the group that we made a moment ago is not known everywhere yet.
  if (code === 'InvalidGroup.NotFound' || code === 'InvalidSecurityGroupID.NotFound') return 'ServiceUnavailable';
  if (code === 'InvalidParameterValue' && /architecture/i.test(message) && /\bAMI\b/.test(message))
    return 'ImageNotFound';
  return undefined;
}

function byCode(code: string, operation: Operation): ErrorKind | undefined {
  const known = Object.hasOwn(KIND_BY_CODE, code) ? KIND_BY_CODE[code] : bySuffix(code);
  return known === 'ResourceNotFound' && operation === 'createInstance' ? 'InvalidRequest' : known;
}

/** Codes are many, and new ones follow the pattern of the old. */
function bySuffix(code: string): ErrorKind | undefined {
  if (/^Insufficient\w*Capacity$/.test(code)) return 'InsufficientResources';
  if (/LimitExceeded$/.test(code)) return 'OutOfQuota';
  if (/\.NotFound$/.test(code)) return 'ResourceNotFound';
  return undefined;
}

function byStatus(failure: HttpFailure): ErrorKind {
  return kindOfStatus(failure, { isInstancePath: false });
}

/** The command line writes `Client.` and `Server.` before codes; the API, mostly, does not. */
function wordsOf({ reason, body }: HttpFailure): { code?: string; message: string } {
  const words = reason === 'status' ? errorBody.safeParse(body).data : undefined;
  return words ? { code: words.code.replace(/^(?:Client|Server)\./, ''), message: words.message } : { message: '' };
}
