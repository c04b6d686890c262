import { describe, expect, it } from 'vitest';
import { call, cloudWith, dial, OTHER_KEY, running, spec, ssh, sshConnect, until, untilStatus } from './support.js';

describe('the SSH server of a machine', () => {
  it.each([
    ['true', 0, ''],
    ['false', 1, ''],
    ['uname -m', 0, 'x86_64\n'],
    ['whoami', 0, 'ubuntu\n'],
    ['echo "a  b" c', 0, 'a  b c\n'],
    ['hostname', 0, 'trainer-1\n'],
    ['cloud-init status --wait', 0, 'status: done\n'],
    ['true && echo yes; false && echo no || echo but', 0, 'yes\nbut\n'],
    ["bash -lc 'echo one; exit 3' 2>/dev/null", 3, 'one\n'],
    ['sudo -n true', 0, ''],
    ['nc -z 127.0.0.1 9999', 0, ''],
    ['nc -z 127.0.0.1 9998', 1, ''],
  ])('runs %s', async (command, code, stdout) => {
    const cloud = await cloudWith();
    expect(await ssh(await running(cloud), command)).toMatchObject({ code, stdout });
  });

  it('has as many GPUs as its type says, and none where there are none', async () => {
    const cloud = await cloudWith();
    const [eight, none] = await Promise.all([
      running(cloud, spec({ instanceType: 'gpu_8x_h100_sxm5' })),
      running(cloud, spec({ instanceType: 'cpu_4x_general' })),
    ]);
    const { stdout } = await ssh(eight, 'nvidia-smi -L');
    expect(stdout.trim().split('\n')).toHaveLength(8);
    expect(stdout).toContain('NVIDIA H100');
    expect((await ssh(none, 'nvidia-smi -L')).code).toBe(127);
  });

  it('is an Ubuntu, arm64 where the type is, and says 127 for what it does not have', async () => {
    const cloud = await cloudWith();
    const machine = await running(cloud, spec({ instanceType: 'gpu_1x_gh200' }));
    expect((await ssh(machine, 'uname -m')).stdout).toBe('aarch64\n');
    expect((await ssh(machine, 'cat /etc/os-release')).stdout).toMatch(/PRETTY_NAME="Ubuntu 22\.04/);
    expect(await ssh(machine, 'rm -rf /')).toMatchObject({
      code: 127,
      stdout: '',
      stderr: expect.stringContaining('rm: not found'),
    });
  });

  it('lets in who has a key of the create, and nobody else', async () => {
    const cloud = await cloudWith();
    const machine = await running(cloud);
    await expect(ssh(machine, 'true', OTHER_KEY.private)).rejects.toThrow(/authentication/);
    await expect(ssh({ ...machine, sshUser: 'root' }, 'true')).rejects.toThrow(/authentication/);
    const both = await running(cloud, spec({ publicKeys: [OTHER_KEY.public, String(spec().publicKeys)] }));
    expect((await ssh(both, 'true', OTHER_KEY.private)).code).toBe(0);
  });

  it.each([
    ['ed25519', 'ssh-ed25519'],
    ['ecdsa', 'ecdsa-sha2-nistp256'],
    ['rsa', 'ssh-rsa'],
  ] as const)('can have an %s host key, another for every machine', async (hostKeyType, name) => {
    const cloud = await cloudWith({ ssh: { hostKeyType } });
    const [one, two] = await Promise.all([running(cloud), running(cloud)]);
    const keys = [await ssh(one, 'true'), await ssh(two, 'true')].map(({ hostKey }) => hostKey);
    expect(new Set(keys).size).toBe(2);
    expect((await cloud.control.machine(one.id)).publicHostKey).toBe(`${name} ${keys[0]}`);
  });

  it('answers on port 22 of an address of its own, or on a high port of it', async () => {
    const [auto, high] = await Promise.all([cloudWith(), cloudWith({ ssh: { bind: 'high-port' } })]);
    const [one, two, three] = await Promise.all([running(auto), running(auto), running(high)]);
    expect(one.publicAddress).not.toBe(two.publicAddress);
    expect(three.sshPort).toBeGreaterThan(1_024);
    for (const machine of [one, two, three]) expect((await ssh(machine, 'true')).code).toBe(0);
  });

  it('waits in cloud-init for as long as that takes', async () => {
    const cloud = await cloudWith({ timing: { cloudInitMs: 3_600_000 } });
    const machine = await running(cloud);
    expect((await ssh(machine, 'cloud-init status')).stdout).toBe('status: running\n');
    const waiting = ssh(machine, 'cloud-init status --wait');
    let isDone = false;
    void waiting.then(() => {
      isDone = true;
    });
    await until(async () => {
      await cloud.control.advance(1_800_000);
      return isDone;
    });
    expect((await waiting).stdout).toBe('status: done\n');
  });

  it('comes up after the machine runs, when there is such a delay', async () => {
    const cloud = await cloudWith({ timing: { sshDelayMs: 3_600_000 } });
    const { id } = (await call(cloud, 'POST', '/instances', spec())).body.instance;
    const machine = await untilStatus(cloud, id, 'running');
    expect(await dial(machine.publicAddress ?? '', machine.sshPort)).toBe('ECONNREFUSED');
    await cloud.control.advance(3_600_000);
    expect((await ssh(machine, 'true')).code).toBe(0);
  });

  it('has a shell for the curious', async () => {
    const cloud = await cloudWith();
    const { client } = await sshConnect(await running(cloud));
    const said = await new Promise<string>((resolve, reject) => {
      client.shell((error, channel) => {
        if (error) return reject(error);
        let text = '';
        channel.on('data', (data: Buffer) => {
          text += data;
        });
        channel.on('close', () => resolve(text));
        channel.end('whoami\nexit\n');
      });
    });
    client.end();
    expect(said).toContain('ubuntu@trainer-1:~$ ubuntu\n');
  });
});
