import ssh2 from 'ssh2';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { makeSshKeyPair } from '../src/ssh-key-pair.js';

afterEach(() => vi.restoreAllMocks());

describe('makeSshKeyPair', () => {
  it.each(['ed25519', 'ecdsa', 'rsa'] as const)('makes an %s pair whose halves belong together', (type) => {
    const { privateKey, publicKey } = makeSshKeyPair(type, 'ann@host');
    const [mine, theirs] = [privateKey, publicKey].map((half) => {
      const parsed = ssh2.utils.parseKey(half);
      if (parsed instanceof Error) throw parsed;
      return (Array.isArray(parsed) ? parsed[0] : parsed)?.getPublicSSH().toString('base64');
    });
    expect(mine).toBe(theirs);
    expect(publicKey).toMatch(/^\S+ \S+ ann@host$/);
  });

  it('gives away none of the pairs that ssh2 cannot read back', () => {
    const good = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 });
    const generate = vi
      .spyOn(ssh2.utils, 'generateKeyPairSync')
      .mockReturnValueOnce({ private: 'cut short', public: good.public })
      .mockReturnValueOnce({ private: good.private, public: 'ssh-ed25519 AAAA' })
      .mockReturnValue(good);
    expect(makeSshKeyPair()).toEqual({ privateKey: good.private, publicKey: good.public.trim() });
    expect(generate).toHaveBeenCalledTimes(3);
  });
});
