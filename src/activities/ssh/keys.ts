import ssh2, { type ParsedKey, type ServerHostKeyAlgorithm } from 'ssh2';

/** The key we were given cannot be used. A mistake in our configuration, never the machine's. */
export class UnreadableKeyError extends Error {
  override readonly name = 'UnreadableKeyError';
}

/**
 * The public half of a private key, as a line of `authorized_keys` without a comment.
 * @throws {UnreadableKeyError}
 */
export function publicKeyOf(privateKey: string): string {
  return toOpenSshForm(readPrivateKey(privateKey).getPublicSSH());
}

/** @throws {UnreadableKeyError} whose message says what is wrong, and never quotes the key. */
export function readPrivateKey(privateKey: string): ParsedKey {
  const parsed = ssh2.utils.parseKey(privateKey);
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (key instanceof Error) {
    const isEncrypted = /encrypted|passphrase/i.test(key.message);
    throw new UnreadableKeyError(isEncrypted ? 'the private key is encrypted' : 'the private key cannot be read');
  }
  if (!key?.isPrivateKey()) throw new UnreadableKeyError('the key is not a private key');
  return key;
}

/** `ssh-ed25519 AAAA…`, from a key as it stands on the wire: its own type comes first, behind its length. */
export function toOpenSshForm(blob: Buffer): string {
  const length = blob.length >= 4 ? blob.readUInt32BE(0) : 0;
  return `${blob.subarray(4, 4 + length).toString('latin1')} ${blob.toString('base64')}`;
}

/** Type and body alone count: a comment does not make another key. */
export function isSameKey(a: string, b: string): boolean {
  return withoutComment(a) === withoutComment(b);
}

function withoutComment(line: string): string {
  return line.trim().split(/\s+/).slice(0, 2).join(' ');
}

/** ssh2's own defaults without ssh-rsa, whose signatures are SHA-1. */
const HOST_KEY_ALGORITHMS: ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

/**
 * Which host keys to ask for, the pinned type first: a server with several would else show another of its own, and
 * look like an impostor. The others stay in the list, so that an impostor is seen and named.
 */
export function hostKeyAlgorithms(pinnedHostKey?: string): ServerHostKeyAlgorithm[] {
  const type = pinnedHostKey?.trim().split(/\s+/)[0];
  const isPinned = (algorithm: string): boolean =>
    type === 'ssh-rsa' ? algorithm.startsWith('rsa-') : algorithm === type;
  return [...HOST_KEY_ALGORITHMS.filter(isPinned), ...HOST_KEY_ALGORITHMS.filter((name) => !isPinned(name))];
}
