import { CloudError, type RefusalCode } from '../errors.js';
import type { Operation } from '../fault-kinds.js';

/** How EC2 says no. */

/** A refusal of EC2's own, for which the core has no code. */
export class Ec2Refusal extends CloudError {
  constructor(
    readonly ec2Code: string,
    message: string,
    readonly status = 400,
  ) {
    super('request.invalid', message);
  }
}

const REFUSALS: Record<RefusalCode, { code: string; status: number }> = {
  'auth.invalid_key': { code: 'AuthFailure', status: 401 },
  'auth.forbidden': { code: 'Blocked', status: 403 },
  'quota.exceeded': { code: 'VcpuLimitExceeded', status: 400 },
  'capacity.out_of_stock': { code: 'InsufficientInstanceCapacity', status: 500 },
  'instance.not_found': { code: 'InvalidInstanceID.NotFound', status: 400 },
  'resource.not_found': { code: 'InvalidPermission.NotFound', status: 400 },
  'image.not_found': { code: 'InvalidAMIID.NotFound', status: 400 },
  'request.invalid': { code: 'InvalidParameterValue', status: 400 },
  'rate.limited': { code: 'RequestLimitExceeded', status: 503 },
  internal: { code: 'InternalError', status: 500 },
  unavailable: { code: 'Unavailable', status: 503 },
  'instance.wrong_state': { code: 'IncorrectInstanceState', status: 400 },
  'instance.busy': { code: 'IncorrectInstanceState', status: 400 },
  'firewall.duplicate_rule': { code: 'InvalidPermission.Duplicate', status: 400 },
};

export function toRefusal(error: CloudError, operation: Operation): { status: number; code: string; message: string } {
  const { message } = error;
  if (error instanceof Ec2Refusal) return { status: error.status, code: error.ec2Code, message };
  if (error.details.field === 'clientToken') return { status: 400, code: 'IdempotentParameterMismatch', message };
  // Termination protection is the one reason why EC2 keeps a machine.
  if (error.code === 'instance.busy' && operation === 'terminate') {
    return { status: 400, code: 'OperationNotPermitted', message };
  }
  return { ...REFUSALS[error.code], message };
}

export function invalidValue(name: string, value: string | undefined): never {
  throw new Ec2Refusal('InvalidParameterValue', `Value (${value ?? ''}) for parameter ${name} is invalid.`);
}

export function missing(name: string): never {
  throw new Ec2Refusal('MissingParameter', `The request must contain the parameter ${name}`);
}
