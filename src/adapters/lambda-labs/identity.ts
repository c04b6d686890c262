import type { CloudCredRefId, IsoTime, RefId } from '../../domain/ids.js';
import { readKeyName } from '../key-names.js';
import type { LambdaInstance } from './client.js';

/*
 * Whose machine it is. The truth is in tags given at the launch (they cannot be changed later). An answer without tags
 * still has the name of its SSH key, which says the same for most (`../key-names.ts`).
 */

/** Lambda's tag keys have no upper case. Callers may not begin theirs with `slipway`. */
export const TAG = {
  refId: 'slipway:ref-id',
  cloudCredRefId: 'slipway:cloud-cred-ref-id',
  attemptKey: 'slipway:attempt',
  /** Lambda does not tell when an instance was made. */
  createdAt: 'slipway:created-at',
  /** A name too long for Lambda, in pieces: `slipway:name-1`. */
  name: 'slipway:name-',
  /** `key=value` of a caller's tag whose key Lambda would refuse: `slipway:tag-1`. */
  odd: 'slipway:tag-',
} as const;

export const TAG_LIMITS = { key: /^[a-z][a-z0-9-:]+$/, keyLength: 55, valueLength: 128 } as const;

export interface Identity {
  refId?: RefId;
  cloudCredRefId?: CloudCredRefId;
  attemptKey?: string;
  createdAt?: IsoTime;
}

export function identityOf(instance: LambdaInstance, ours: CloudCredRefId): Identity {
  const tags = Object.fromEntries(instance.tags.map(({ key, value }) => [key, value || undefined]));
  if (tags[TAG.refId] !== undefined) {
    return {
      refId: tags[TAG.refId],
      cloudCredRefId: tags[TAG.cloudCredRefId],
      attemptKey: tags[TAG.attemptKey],
      createdAt: tags[TAG.createdAt],
    };
  }
  // The array may be empty: a client that took its first element for granted crashed on it.
  const [identity] = instance.ssh_key_names.flatMap((name) => readKeyName(name, ours) ?? []);
  return identity ? { ...identity, cloudCredRefId: ours } : {};
}
