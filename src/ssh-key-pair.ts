import ssh2 from 'ssh2';

export type SshKeyType = 'ed25519' | 'ecdsa' | 'rsa';

export interface SshKeyPair {
  /** OpenSSH form, PEM. */
  privateKey: string;
  /** OpenSSH form, one line: the comment, if any, at its end. */
  publicKey: string;
}

/**
 * A fresh pair that can be read back. ssh2 1.17 writes one ed25519 pair in some 250 without a leading zero byte
 * (its public half a byte short), and neither it nor OpenSSH reads those.
 */
export function makeSshKeyPair(type: SshKeyType = 'ed25519', comment?: string): SshKeyPair {
  for (;;) {
    const pair = generate(type, comment);
    const isReadable = [pair.private, pair.public].every((half) => !(ssh2.utils.parseKey(half) instanceof Error));
    if (isReadable) return { privateKey: pair.private, publicKey: pair.public.trim() };
  }
}

function generate(type: SshKeyType, comment: string | undefined): { private: string; public: string } {
  switch (type) {
    case 'ed25519':
      return ssh2.utils.generateKeyPairSync('ed25519', { comment });
    case 'ecdsa':
      return ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256, comment });
    case 'rsa':
      return ssh2.utils.generateKeyPairSync('rsa', { bits: 2048, comment });
  }
}
