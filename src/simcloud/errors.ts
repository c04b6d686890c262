/**
 * Why the cloud refused, in the cloud's own words. The codes are the core's; each dialect says them its own way
 * (another status, another text), so a dialect holds a table keyed by these.
 */
export const REFUSALS = {
  'auth.invalid_key': 401,
  'auth.forbidden': 403,
  'quota.exceeded': 403,
  'capacity.out_of_stock': 409,
  'instance.not_found': 404,
  'resource.not_found': 404,
  'image.not_found': 400,
  'request.invalid': 422,
  'rate.limited': 429,
  internal: 500,
  unavailable: 503,
  'instance.wrong_state': 409,
  /** Refused for now, not for good: a minimum term is not over, or another operation is in flight. */
  'instance.busy': 409,
  'firewall.duplicate_rule': 409,
} as const;

export type RefusalCode = keyof typeof REFUSALS;

/** Thrown by core operations; whatever else is thrown there is a bug of simcloud and answers `internal`. */
export class CloudError extends Error {
  override readonly name = 'CloudError';

  constructor(
    readonly code: RefusalCode,
    message: string,
    readonly details: { /** The request's field, as a path. */ field?: string; retryAfterSeconds?: number } = {},
  ) {
    super(message);
  }
}

/** @throws {CloudError} `request.invalid`, naming the field. */
export function invalid(field: string, message: string): never {
  throw new CloudError('request.invalid', `${field}: ${message}`, { field });
}
