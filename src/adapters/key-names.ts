import { createHash } from 'node:crypto';
import type { CloudCredRefId, RefId } from '../domain/ids.js';
import type { CreateInstanceAttrs } from '../domain/provider.js';

/*
 * Names of the SSH keys that a create leaves in an account: `slipway.3fa9c1.ref-1-1`. The digits stand for the
 * credential. Every attempt has its own, so that cleaning up after one never takes the key of the next.
 */

/** Lambda's limit; nobody's is known to be shorter. */
const LENGTH = 64;

/**
 * An attempt key too long for a name is digested, and then the name alone does not tell whose it is.
 * @param publicKey Given when the plain name is taken by another key.
 */
export function keyNameOf(
  { cloudCredRefId, attemptKey }: Pick<CreateInstanceAttrs, 'cloudCredRefId' | 'attemptKey'>,
  publicKey?: string,
): string {
  const suffix = publicKey === undefined ? '' : `.${digest(publicKey, 8)}`;
  const plain = `${keyNamePrefix(cloudCredRefId)}${attemptKey}${suffix}`;
  if (plain.length <= LENGTH) return plain;
  return `${keyNamePrefix(cloudCredRefId)}_${digest(attemptKey, 32)}${suffix}`;
}

/** Every key of ours through this credential begins so. */
export function keyNamePrefix(cloudCredRefId: CloudCredRefId): string {
  return `slipway.${digest(cloudCredRefId, 6)}.`;
}

const READABLE = /^(([A-Za-z0-9-]+)-\d+)(?:\.[0-9a-f]{8})?$/;

/** Whose a key is, by its name; undefined for anybody else's, and for a digested one. */
export function readKeyName(name: string, ours: CloudCredRefId): { refId: RefId; attemptKey: string } | undefined {
  const prefix = keyNamePrefix(ours);
  const [, attemptKey, refId] = name.startsWith(prefix) ? (READABLE.exec(name.slice(prefix.length)) ?? []) : [];
  return refId === undefined || attemptKey === undefined ? undefined : { refId, attemptKey };
}

function digest(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}
