import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { publicKeyOf } from '../../src/activities/ssh-probe.js';
import { freePort, makeKey } from '../ssh/servers.js';
import { begin, endAndProve } from '../support/lives.js';
import { credentialNamed, offerAt, openSlipway, type TestSlipway, workerKey } from '../support/slipway.js';

const SSHD = '/usr/sbin/sshd';
const missing = !existsSync(SSHD) ? `no ${SSHD}` : process.getuid?.() !== 0 ? 'sshd needs root here' : undefined;

/** OpenSSH's sshd as the bastion of an account of the simulated cloud. */
describe.skipIf(missing)(`an account with a bastion${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let slipway: TestSlipway;
  let folder: string;
  let sshd: ChildProcess;
  const said: string[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-bastion-'));
    const port = await freePort();
    const key = makeKey();
    await writeFile(join(folder, 'host_key'), key, { mode: 0o600 });
    await writeFile(join(folder, 'authorized_keys'), `${workerKey.publicKey}\n`);
    const lines = [
      `HostKey ${join(folder, 'host_key')}`,
      `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
      `ListenAddress 127.0.0.1:${port}`,
      'StrictModes no',
      'UsePAM no',
      'PidFile none',
      'LogLevel VERBOSE',
    ];
    await writeFile(join(folder, 'sshd_config'), `${lines.join('\n')}\n`);
    await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
    sshd = spawn(SSHD, ['-D', '-e', '-f', join(folder, 'sshd_config')], { stdio: ['ignore', 'ignore', 'pipe'] });
    sshd.stderr?.on('data', (chunk: Buffer) => said.push(chunk.toString()));
    await vi.waitFor(() => expect(said.join('')).toContain('Server listening'), { timeout: 10_000 });
    // Private addresses of simulated machines lead nowhere.
    const known = { hostKey: publicKeyOf(key), dials: 'public' };
    const bastion = { host: '127.0.0.1', port, user: userInfo().username, ...known };
    slipway = await openSlipway({
      others: { behind: { bastion }, shut: { bastion: { ...bastion, hostKey: publicKeyOf(makeKey()) } } },
    });
  });
  afterAll(async () => {
    await slipway?.close();
    if (sshd && sshd.exitCode === null) {
      const gone = once(sshd, 'exit');
      sshd.kill();
      await gone;
    }
    if (folder) await rm(folder, { recursive: true });
  });
  const at = (name: string) => [{ ...offerAt(slipway), cloudCredRefId: credentialNamed(slipway, name) }];

  it('has its machines reached, and their firewalls proved and changed, through it', async () => {
    const ingressRules = [{ fromPort: 8_080, toPort: 8_080, ipRanges: [] }];
    const life = await begin(slipway, { offers: at('behind'), firewallRules: { ingressRules, egressRules: [] } });
    await life.until('ready');
    const { evidence } = await life.event('InstanceReady');
    expect(evidence).toContain('through the bastion 127.0.0.1:');
    expect(evidence).toContain('port 8080 (rule 8080) answers from outside');
    expect(evidence).toContain('port 9999 (no rule) answers inside and not from outside');
    expect(said.join('')).toContain('Accepted publickey');

    await slipway.client.setFirewallRules(life.refId, { firewallRules: { ingressRules: [] } });
    await life.seen('ChangeApplied');
    expect(await life.until('ready')).toMatchObject({ firewallApplied: true });
    await endAndProve(slipway, life);
  });

  it('says that it was the bastion, when it is not the one that is known', async () => {
    const life = await begin(slipway, { offers: at('shut'), policy: { runningToSsh: '5s' } });
    const { failure } = await life.until('parked');
    expect(failure).toMatchObject({ kind: 'SshUnreachable', providerCode: 'bastion' });
    expect(failure?.message).toContain('does not let us in (wrong-host-key)');
    await endAndProve(slipway, life);
  });
});
