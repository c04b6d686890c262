import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { probeSsh, publicKeyOf } from '../../src/activities/ssh-probe.js';
import { freePort, makeKey, target } from './servers.js';

const SSHD = '/usr/sbin/sshd';
const missing = !existsSync(SSHD) ? `no ${SSHD}` : process.getuid?.() !== 0 ? 'sshd needs root here' : undefined;
const TYPES = ['ed25519', 'ecdsa', 'rsa'] as const;

describe.skipIf(missing)(`OpenSSH’s own sshd${missing ? ` (skipped: ${missing})` : ''}`, () => {
  const hostKeys = {} as Record<(typeof TYPES)[number], string>;
  const userKeys = {} as Record<(typeof TYPES)[number], string>;
  const user = userInfo().username;
  let folder: string;
  let sshd: ChildProcess;
  let port: number;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'slipway-sshd-'));
    port = await freePort();
    for (const type of TYPES) {
      hostKeys[type] = makeKey(type);
      userKeys[type] = makeKey(type);
      writeFileSync(join(folder, type), hostKeys[type], { mode: 0o600 });
    }
    writeFileSync(join(folder, 'authorized_keys'), TYPES.map((type) => `${publicKeyOf(userKeys[type])}\n`).join(''));
    const config = [
      ...TYPES.map((type) => `HostKey ${join(folder, type)}`),
      `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
      'StrictModes no', // the keys lie in a folder of /tmp
      'UsePAM no',
      'SetEnv SHLVL=1', // else bash reads this user's own .bashrc, and does whatever stands there
      'PidFile none',
    ];
    writeFileSync(join(folder, 'sshd_config'), `${config.join('\n')}\n`);
    mkdirSync('/run/sshd', { recursive: true, mode: 0o755 }); // sshd will not start without it
    const options = ['-D', '-e', '-f', join(folder, 'sshd_config'), '-o', `ListenAddress=127.0.0.1:${port}`];
    sshd = spawn(SSHD, options, { stdio: ['ignore', 'ignore', 'pipe'] });
    await listening(sshd);
  });
  afterAll(() => {
    sshd?.kill();
    rmSync(folder, { recursive: true });
  });

  it.each(TYPES)('lets our %s key in, and runs a command', async (type) => {
    const probe = await probeSsh(target(port, userKeys[type], { user }), { timeoutMs: 10_000, commands: ['uname -s'] });
    expect(probe).toMatchObject({ ok: true, evidence: expect.stringMatching(/OpenSSH.*"uname -s" exited 0/) });
  });

  it.each(TYPES)('is recognised by its %s host key, though it has three', async (type) => {
    const pinnedHostKey = publicKeyOf(hostKeys[type]);
    const probe = await probeSsh(target(port, userKeys.rsa, { user, pinnedHostKey }), { timeoutMs: 10_000 });
    expect(probe).toMatchObject({ ok: true, hostKey: pinnedHostKey });
  });

  it.each([
    ['key-rejected', 'for a key it does not know', () => target(port, hostKeys.rsa, { user }), 'true'],
    ['key-rejected', 'for a user it does not know', () => target(port, userKeys.rsa, { user: 'nobody-here' }), 'true'],
    ['command-failed', 'for a command that fails', () => target(port, userKeys.rsa, { user }), 'exit 7'],
    ['command-failed', 'for a command that is killed', () => target(port, userKeys.rsa, { user }), 'kill -9 $$'],
    ['reset', 'when its process goes', () => target(port, userKeys.rsa, { user }), 'kill -9 $PPID'],
    [
      'wrong-host-key',
      'when another key is pinned',
      () => target(port, userKeys.rsa, { user, pinnedHostKey: publicKeyOf(userKeys.rsa) }),
      'true',
    ],
  ] as const)('is %s %s', async (failure, _when, at, command) => {
    const probe = await probeSsh(at(), { timeoutMs: 10_000, commands: [command] });
    expect(probe).toMatchObject({ ok: false, failure });
  });
});

async function listening(sshd: ChildProcess): Promise<void> {
  let log = '';
  await new Promise<void>((resolve, reject) => {
    sshd.stderr?.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      if (log.includes('Server listening')) resolve();
    });
    sshd.once('exit', () => reject(new Error(`sshd did not start: ${log}`)));
  });
}
