import { z } from 'zod';
import { type CloudCredRefId, isCloudCredRefId } from '../domain/ids.js';
import { MIN_SECRET_LENGTH } from '../redact.js';
import { bastionField } from './bastion.js';

/** One account as configured: what every provider has, and that provider's own fields, resolved. Holds secrets. */
export interface CredentialConfig {
  cloudCredRefId: CloudCredRefId;
  /** An adapter's id: `sim`. */
  provider: string;
  /** Overrides the vendor's address. */
  apiUrl?: string;
  [field: string]: unknown;
}

/** A URL without a slash at the end. User and password in it would be printed with it, and `fetch` refuses them. */
export const apiUrlField = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .refine((url) => !/\/\/[^/]*@/.test(url), 'must not hold a user or password')
  .refine((url) => !/[?#]/.test(url), 'must not hold a query')
  .transform((url) => url.replace(/\/+$/, ''));

/** A key or token that goes into a header. A line break in it is the usual accident with secrets from files. */
export const secretField = z
  .string('must be a string')
  .min(
    MIN_SECRET_LENGTH,
    `must have at least ${MIN_SECRET_LENGTH} characters: a shorter one cannot be kept out of logs`,
  )
  .regex(/^[\x21-\x7e]*$/, 'must be printable ASCII without spaces or line breaks');

/** Extend it with the vendor's fields; it refuses those it does not know, so that a typo is not ignored. */
export const baseCredential = z.strictObject({
  cloudCredRefId: z.string().refine(isCloudCredRefId, 'must be letters, digits, ".", "_" and "-", at most 63'),
  provider: z.string(),
  apiUrl: apiUrlField.optional(),
  bastion: bastionField.optional(),
});

/** Issues as `{ path: 'limits.rate', message }`. They never hold a value. */
export function credentialIssues(schema: z.ZodType, credential: unknown): { path: string; message: string }[] {
  const parsed = schema.safeParse(credential);
  if (parsed.success) return [];
  return parsed.error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        path: [...issue.path, key].join('.'),
        message: 'is not a field of this provider',
      }));
    }
    const isMissing = issue.code === 'invalid_type' && valueAt(credential, issue.path) === undefined;
    return [{ path: issue.path.join('.'), message: isMissing ? 'is missing' : issue.message }];
  });
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], value);
}
