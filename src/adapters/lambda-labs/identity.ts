import { createHash } from 'node:crypto';
import type { CloudCredRefId, IsoTime, RefId } from '../../domain/ids.js';
import type { CreateInstanceAttrs } from '../../domain/provider.js';
import type { LambdaInstance } from './client.js';

/*
 * Whose machine it is. The truth is in tags given at the launch (they cannot be changed later). An answer without tags
 * still has the name of its SSH key, which says the same for most: hence the names below.
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
  return instance.ssh_key_names.map((name) => readKeyName(name, ours)).find((identity) => identity) ?? {};
}

const KEY_NAME_LENGTH = 64;

/**
 * The name of the SSH key of one attempt: `slipway.3fa9c1.ref-1-1`. The digits stand for the credential. Every attempt
 * has its own, so that cleaning up after one never takes the key of the next. An attempt key too long for Lambda's 64
 * characters is digested, and then the name alone does not tell whose it is.
 *
 * @param publicKey Given when the plain name is taken by another key.
 */
export function keyNameOf(
  { cloudCredRefId, attemptKey }: Pick<CreateInstanceAttrs, 'cloudCredRefId' | 'attemptKey'>,
  publicKey?: string,
): string {
  const suffix = publicKey === undefined ? '' : `.${digest(publicKey, 8)}`;
  const plain = `${keyNamePrefix(cloudCredRefId)}${attemptKey}${suffix}`;
  if (plain.length <= KEY_NAME_LENGTH) return plain;
  return `${keyNamePrefix(cloudCredRefId)}_${digest(attemptKey, 32)}${suffix}`;
}

/** Every key of ours through this credential begins so. */
export function keyNamePrefix(cloudCredRefId: CloudCredRefId): string {
  return `slipway.${digest(cloudCredRefId, 6)}.`;
}

const READABLE = /^(([A-Za-z0-9-]+)-\d+)(?:\.[0-9a-f]{8})?$/;

function readKeyName(name: string, ours: CloudCredRefId): Identity | undefined {
  const prefix = keyNamePrefix(ours);
  const [, attemptKey, refId] = name.startsWith(prefix) ? (READABLE.exec(name.slice(prefix.length)) ?? []) : [];
  return refId === undefined ? undefined : { refId, attemptKey, cloudCredRefId: ours };
}

function digest(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}
