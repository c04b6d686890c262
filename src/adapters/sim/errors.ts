import { z } from 'zod';
import type { ErrorKind } from '../../domain/errors.js';
import { kindOfStatus, type Verdict } from '../failures.js';
import type { HttpFailure } from '../http-failure.js';

/** Simcloud's codes under our kinds. The status besides says nothing that the code does not. */
export const KIND_BY_CODE: Readonly<Record<string, ErrorKind>> = {
  'auth.invalid_key': 'Unauthenticated',
  'auth.forbidden': 'PermissionDenied',
  'quota.exceeded': 'OutOfQuota',
  'capacity.out_of_stock': 'InsufficientResources',
  'instance.not_found': 'InstanceNotFound',
  'resource.not_found': 'ResourceNotFound',
  'image.not_found': 'ImageNotFound',
  'request.invalid': 'InvalidRequest',
  'rate.limited': 'RateLimited',
  internal: 'Internal',
  unavailable: 'ServiceUnavailable',
  'instance.wrong_state': 'InvalidRequest',
  'instance.busy': 'NotYet',
  'firewall.duplicate_rule': 'DuplicateFirewallRule',
};

/** A bare 409 may mean "it is there already"; with these simcloud says that it made nothing. */
const CREATE_CONFLICTS: ReadonlySet<string> = new Set([
  'capacity.out_of_stock',
  'instance.busy',
  'instance.wrong_state',
]);

const errorBody = z.object({ error: z.object({ code: z.string(), field: z.string().optional().catch(undefined) }) });

/**
 * The code decides; the status only where there is none.
 *
 * A 404 without a code is not simcloud's (it has no such answer) but some router's, for a wrong `apiUrl` perhaps. It
 * proves no absence: believed, it would make `terminateInstance` succeed and leave the machine to bill.
 */
export function judge(failure: HttpFailure): Verdict {
  const { code, field } = codeOf(failure) ?? {};
  const known = code === undefined ? undefined : KIND_BY_CODE[code];
  const byStatus = failure.status === 404 ? 'ServiceUnavailable' : kindOfStatus(failure, { isInstancePath: true });
  return { kind: known ?? byStatus, ...(code && { code }), ...(field && { field }) };
}

/** Of a stop, start or reboot: when simcloud objects to the type, the type cannot do it. */
export function judgeAction(failure: HttpFailure): Verdict {
  const verdict = judge(failure);
  const isAboutType = verdict.kind === 'InvalidRequest' && verdict.field === 'instanceType';
  return isAboutType ? { ...verdict, kind: 'NotSupported' } : verdict;
}

export function isCreateRefusal(failure: HttpFailure): boolean {
  const code = codeOf(failure)?.code;
  return code !== undefined && CREATE_CONFLICTS.has(code);
}

function codeOf({ reason, body }: HttpFailure): { code: string; field?: string } | undefined {
  return reason === 'status' ? errorBody.safeParse(body).data?.error : undefined;
}
