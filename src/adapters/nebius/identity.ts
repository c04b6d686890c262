import { createHash } from 'node:crypto';
import { type CreateInstanceAttrs, IDENTITY_TAGS } from '../../domain/provider.js';

/*
 * Whose an instance is stands in its labels. Its name is the attempt's key, for names are unique in a project: two creates
 * of one attempt cannot make two machines. What the caller calls it is a label.
 */

export const NAME_LABEL = 'slipway-name';
const OURS: Readonly<Record<string, string>> = IDENTITY_TAGS;
export const OUR_LABELS: ReadonlySet<string> = new Set([...Object.values(OURS), NAME_LABEL]);

/** What others have used for names at Nebius without being refused. */
const PLAIN = /^[a-z0-9][a-z0-9-]{0,62}$/;

type Attempt = Pick<CreateInstanceAttrs, 'cloudCredRefId' | 'attemptKey'>;

export function toResourceName(attempt: Attempt): string {
  return PLAIN.test(attempt.attemptKey) ? attempt.attemptKey : digestName(attempt);
}

/** Of its boot disk. What is too long is not cut, or the attempts of one long refId would share a name. */
export function toDiskName(attempt: Attempt): string {
  const name = `${toResourceName(attempt)}-boot`;
  return PLAIN.test(name) ? name : `${digestName(attempt)}-boot`;
}

function digestName({ cloudCredRefId, attemptKey }: Attempt): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([cloudCredRefId, attemptKey]))
    .digest('hex');
  return `slipway-${digest.slice(0, 40)}`;
}

/** The caller's tags with ours over them. */
export function toLabels(attrs: CreateInstanceAttrs): Record<string, string> {
  const { refId, cloudCredRefId, attemptKey, name, tags } = attrs;
  return {
    ...callersOnly(tags),
    [IDENTITY_TAGS.refId]: refId,
    [IDENTITY_TAGS.cloudCredRefId]: cloudCredRefId,
    [IDENTITY_TAGS.attemptKey]: attemptKey,
    [NAME_LABEL]: name,
  };
}

/** The same labels with other tags of the caller's: labels are replaced as a whole. */
export function withTags(labels: Record<string, string>, tags: Record<string, string>): Record<string, string> {
  const ours = Object.fromEntries(Object.entries(labels).filter(([key]) => OUR_LABELS.has(key)));
  return { ...callersOnly(tags), ...ours };
}

export function callersOnly(labels: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !OUR_LABELS.has(key)));
}
