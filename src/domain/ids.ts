/**
 * Ids have types of their own, so that the compiler tells our key from the provider's.
 * They are plain strings on the wire.
 */
declare const brand: unique symbol;
type Id<Name extends string> = string & { readonly [brand]?: Name };

/** The caller's key for one instance: letters, digits and `-`, at most 63. Kept with the machine as a tag. */
export type RefId = Id<'RefId'>;
/** The provider's own key for one machine. */
export type CloudId = Id<'CloudId'>;
/** Names access to one provider account. It travels; the secret behind it never does. */
export type CloudCredRefId = Id<'CloudCredRefId'>;
/** `cloudCredRefId/location/instanceType`: what a capacity refusal sets aside. */
export type OfferId = Id<'OfferId'>;
/** ISO 8601 in UTC, to the millisecond: `2026-11-23T09:30:00.000Z`. */
export type IsoTime = Id<'IsoTime'>;

const REF_ID = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

/** Letters, digits and inner `-`, at most 63: what every provider's tag, name and key rules let through. */
export function isRefId(value: unknown): value is RefId {
  return typeof value === 'string' && REF_ID.test(value);
}

const CLOUD_CRED_REF_ID = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

export function isCloudCredRefId(value: unknown): value is CloudCredRefId {
  return typeof value === 'string' && CLOUD_CRED_REF_ID.test(value);
}

/** The workflow that owns an instance. One instance, one workflow id, for good. */
export function instanceWorkflowId(refId: RefId): string {
  return `${INSTANCE_WORKFLOW_PREFIX}${refId}`;
}

export const INSTANCE_WORKFLOW_PREFIX = 'instance/';

/** The workflow that watches one provider account. */
export function watchWorkflowId(cloudCredRefId: CloudCredRefId): string {
  return `${WATCH_WORKFLOW_PREFIX}${cloudCredRefId}`;
}

const WATCH_WORKFLOW_PREFIX = 'watch/';

/** The account that a watch's workflow is about: `watchWorkflowId` undone. */
export function watchedAccount(workflowId: string): CloudCredRefId {
  return workflowId.slice(WATCH_WORKFLOW_PREFIX.length);
}

/**
 * Names one attempt to create: sent as the vendor's idempotency key and kept as a tag.
 * Derived from our key and the attempt's number alone, so that a retry, a reset or a replay
 * meets the machine that already exists instead of buying another.
 */
export function attemptKey(refId: RefId, attempt: number): string {
  return `${refId}-${attempt}`;
}

export function toIsoTime(epochMs: number): IsoTime {
  return new Date(epochMs).toISOString();
}

export function toEpochMs(time: IsoTime): number {
  return Date.parse(time);
}
