import ssh2 from 'ssh2';

export interface KeyPair {
  privateKey: string;
  /** OpenSSH form, one line, without a comment. */
  publicKey: string;
}

/** A fresh ed25519 pair. */
export function makeKeyPair(): KeyPair {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519');
    // ssh2 1.17 writes one key in some 250 so that it cannot read it back.
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error))
      return { privateKey: pair.private, publicKey: pair.public.trim() };
  }
}
