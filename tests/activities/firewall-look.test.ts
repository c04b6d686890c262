import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { look } from '../../src/activities/firewall/verdict.js';
import { SshError, type SshFailure } from '../../src/activities/ssh-probe.js';

const SSH_PORT = 22;
const SPARE = 9_999;

/** One look at a port that nobody may reach, where each port is met as listed; all others answer. */
function lookAt(met: Record<number, SshFailure>) {
  const scene = { shut: [{ port: SPARE }], open: [], listener: { answering: async () => [SPARE] } };
  const dial = async (port: number): Promise<Duplex> => {
    const failure = met[port];
    if (failure) throw new SshError(failure, `port ${port}`);
    return Duplex.from(['hello']);
  };
  const until = () => ({ timeoutMs: 5_000 });
  return look({ ...scene, connection: { dial }, sshPort: SSH_PORT, isBlind: false, word: 'word', until });
}

describe('a look at a port that must be shut', () => {
  it.each(['refused', 'silent', 'reset'] as const)('finds it shut where it is %s', async (failure) => {
    expect(await lookAt({ [SPARE]: failure })).toMatchObject({ holds: true });
  });

  it.each([
    ['unresolved', 'a name without an address was not dialled'],
    ['worker', 'what this computer cannot do is not the firewall’s doing'],
    ['bastion', 'nor is what the bastion cannot do'],
  ] as const)('finds nothing where it is %s: %s', async (failure, _because) => {
    await expect(lookAt({ [SPARE]: failure })).rejects.toMatchObject({ failure });
  });

  it('finds nothing while SSH’s own port does not answer beside it', async () => {
    await expect(lookAt({ [SPARE]: 'silent', [SSH_PORT]: 'silent' })).rejects.toMatchObject({ failure: 'silent' });
  });

  it('finds a leak where somebody answers', async () => {
    expect(await lookAt({})).toMatchObject({ holds: false, error: { finding: 'leaks' } });
  });
});
