import { connect } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { publicKeyOf, waitForSsh } from '../../src/activities/ssh-probe.js';
import { isGpu } from '../../src/domain/gpu.js';
import { freePort, makeKey, type Served, type Shell, serveSsh, serveTcp, target } from './servers.js';

let key: string;
let hostKey: string;
beforeAll(() => {
  key = makeKey();
  hostKey = makeKey();
});

const open: Served[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});
async function machine(shell: Shell): Promise<Served> {
  const server = await serveSsh({ hostKeys: [hostKey], shell });
  open.push(server);
  return server;
}

const NO_GAPS = { firstMs: 1, maxMs: 5 };
const LONG = { deadlineMs: 10_000, gaps: NO_GAPS };

/** A machine whose commands end as listed; others are not found. */
function answers(ends: Record<string, { exit: number; stdout?: string }>): Shell {
  return (command) => (command === 'true' ? { exit: 0 } : (ends[command] ?? { exit: 127 }));
}

const CLOUD_INIT = 'cloud-init status --wait';
const H100 = 'GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)\nGPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-2)\n';

describe('a machine on its way up', () => {
  it('is waited for until it lets us in, and each attempt is told', async () => {
    const seen: string[] = [];
    let isWritten = false; // by cloud-init, between two attempts
    const server = await serveSsh({ hostKeys: [hostKey], allows: () => isWritten });
    open.push(server);
    const onAttempt = (evidence: string): void => {
      seen.push(evidence);
      isWritten = seen.length > 1;
    };
    const probe = await waitForSsh(target(server.port, key), { ...LONG, onAttempt });
    expect(probe).toMatchObject({ ok: true, hostKey: publicKeyOf(hostKey) });
    expect(seen).toHaveLength(3);
    expect(seen[0]).toMatch(/does not accept our key/);
  });

  it('is waited for through a reboot in the middle of cloud-init', async () => {
    let boots = 0;
    const { port } = await machine((command, connection) => {
      if (command === CLOUD_INIT && boots++ === 0) {
        connection.end();
        return undefined;
      }
      return { exit: 0 };
    });
    expect(await waitForSsh(target(port, key), LONG)).toMatchObject({ ok: true });
    expect(boots).toBe(2);
  });

  it('must stay who it was when it first let us in', async () => {
    const first = await machine((_command, connection) => {
      connection.end();
      return undefined;
    });
    const impostor = await serveSsh({ hostKeys: [key] });
    let connections = 0;
    const address = await serveTcp((socket) => {
      const behind = connect(connections++ === 0 ? first.port : impostor.port, '127.0.0.1');
      behind.on('error', () => undefined);
      socket.pipe(behind).pipe(socket);
    });
    open.push(impostor, address);
    const probe = await waitForSsh(target(address.port, key), LONG);
    expect(probe).toMatchObject({ ok: false, failure: 'wrong-host-key' });
    expect(impostor.attempts).toEqual([]);
  });

  it.each([
    ['is done', 0, /cloud-init is done/],
    ['had recoverable errors', 2, /recoverable/],
    ['is absent', 127, /no cloud-init/],
  ])('is ready once cloud-init %s', async (_how, exit, evidence) => {
    const { port, commands } = await machine(answers({ [CLOUD_INIT]: { exit } }));
    const probe = await waitForSsh(target(port, key), LONG);
    expect(probe).toMatchObject({ ok: true, evidence: expect.stringMatching(evidence) });
    expect(commands).toEqual(['true', CLOUD_INIT]);
  });

  it('is not kept waiting for cloud-init when that was not asked for', async () => {
    const { port, commands } = await machine(answers({}));
    await waitForSsh(target(port, key), { ...LONG, cloudInit: false });
    expect(commands).toEqual(['true']);
  });
});

describe('waiting ends', () => {
  it('at the deadline, with the last thing that was seen', async () => {
    const probe = await waitForSsh(target(await freePort(), key), { deadlineMs: 60, gaps: NO_GAPS });
    expect(probe).toMatchObject({ ok: false, failure: 'refused', evidence: expect.stringMatching(/tried \d+ times/) });
  });

  it('at the deadline, also inside an attempt', async () => {
    const silent = await serveTcp(() => undefined);
    open.push(silent);
    const probe = await waitForSsh(target(silent.port, key), { deadlineMs: 200 });
    expect(probe).toMatchObject({ ok: false, failure: 'silent', evidence: expect.stringMatching(/tried once/) });
  });

  it('at the deadline, also while cloud-init runs', async () => {
    const { port } = await machine((command) => (command === CLOUD_INIT ? undefined : { exit: 0 }));
    const probe = await waitForSsh(target(port, key), { deadlineMs: 500 });
    expect(probe).toMatchObject({ ok: false, failure: 'timeout', evidence: expect.stringMatching(/cloud-init/) });
  });

  it('at once for another host key', async () => {
    const { port, attempts } = await machine(answers({}));
    const pinnedHostKey = publicKeyOf(key);
    const seen: string[] = [];
    const options = { ...LONG, onAttempt: (evidence: string) => seen.push(evidence) };
    const probe = await waitForSsh(target(port, key, { pinnedHostKey }), options);
    expect(probe).toMatchObject({ ok: false, failure: 'wrong-host-key' });
    expect(seen).toHaveLength(1);
    expect(attempts).toEqual([]);
  });

  it('for a refused key once its grace is over, long before the deadline', async () => {
    const server = await serveSsh({ hostKeys: [hostKey], allows: () => false });
    open.push(server);
    const probe = await waitForSsh(target(server.port, key), { ...LONG, deadlineMs: 60_000, keyGraceMs: 50 });
    expect(probe).toMatchObject({ ok: false, failure: 'key-rejected' });
  });

  it('at once when cloud-init failed', async () => {
    const { port, commands } = await machine(answers({ [CLOUD_INIT]: { exit: 1, stdout: '...\nstatus: error\n' } }));
    const probe = await waitForSsh(target(port, key), LONG);
    expect(probe).toMatchObject({ ok: false, failure: 'command-failed' });
    expect(probe.evidence).toMatch(/exit 1, status: error/);
    expect(commands).toHaveLength(2);
  });

  it('when the caller stops it, with the caller’s reason', async () => {
    const stop = new AbortController();
    const options = { ...LONG, signal: stop.signal, onAttempt: () => stop.abort(new Error('enough')) };
    await expect(waitForSsh(target(await freePort(), key), options)).rejects.toThrow('enough');
  });
});

describe('the GPUs', () => {
  const isH100 = (name: string): boolean => name.includes('H100');

  it('are counted and named by the driver, NVIDIA’s or AMD’s', async () => {
    const nvidia = await machine(answers({ 'nvidia-smi -L': { exit: 0, stdout: H100 } }));
    const gpus = { count: 2, isExpected: isH100 };
    expect(await waitForSsh(target(nvidia.port, key), { ...LONG, gpus })).toMatchObject({ ok: true });

    const names: string[] = [];
    const stdout = 'GPU[0]\t\t: Card Series: \t\tAMD Instinct MI300X OAM\nGPU[0]\t\t: Card Model: \t\t0x74a1\n';
    const amd = await machine(answers({ 'rocm-smi --showproductname': { exit: 0, stdout } }));
    const isExpected = (name: string): boolean => names.push(name) > 0;
    await waitForSsh(target(amd.port, key), { ...LONG, gpus: { count: 1, isExpected } });
    expect(names).toEqual(['AMD Instinct MI300X OAM']);
  });

  it.each([
    ['fewer than ordered', { count: 8 }],
    ['others than ordered', { count: 2, isExpected: (name: string) => name.includes('B200') }],
  ])('fail at once when they are %s', async (_how, gpus) => {
    const { port, commands } = await machine(answers({ 'nvidia-smi -L': { exit: 0, stdout: H100 } }));
    const probe = await waitForSsh(target(port, key), { ...LONG, gpus });
    expect(probe).toMatchObject({ ok: false, failure: 'command-failed' });
    expect(probe.evidence).toMatch(/find 2 GPUs \("NVIDIA H100 80GB HBM3"\)/);
    expect(commands.filter((command) => command === 'nvidia-smi -L')).toHaveLength(1);
  });

  it.each([
    ['is not taken for the whole', 'A100', 'command-failed'],
    ['is found where it was ordered', 'A100 MIG 1g.10gb', undefined],
  ])('of which there is a slice: it %s', async (_how, ordered, failure) => {
    const stdout =
      'GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)\n' +
      '  MIG 1g.10gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)\n';
    const { port } = await machine(answers({ 'nvidia-smi -L': { exit: 0, stdout } }));
    const gpus = { count: 1, isExpected: (name: string) => isGpu(name, ordered) };
    const probe = await waitForSsh(target(port, key), { ...LONG, gpus });
    expect(probe).toMatchObject(failure ? { ok: false, failure } : { ok: true });
    expect(probe.evidence).toContain('1 GPUs ("NVIDIA A100-SXM4-80GB MIG 1g.10gb")');
  });

  it('are counted slice by slice where they are cut up, whole where they are not', async () => {
    const names: string[] = [];
    const stdout =
      'GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-69efa595)\n' +
      '  MIG 3g.20gb     Device  0: (UUID: MIG-GPU-69efa595/1/0)\n' +
      '  MIG 1c.3g.20gb  Device  1: (UUID: MIG-GPU-69efa595/2/0)\n' +
      'GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-3f5d8b27)\n';
    const { port } = await machine(answers({ 'nvidia-smi -L': { exit: 0, stdout } }));
    const gpus = { count: 3, isExpected: (name: string) => names.push(name) > 0 };
    expect(await waitForSsh(target(port, key), { ...LONG, gpus })).toMatchObject({ ok: true });
    const whole = 'NVIDIA A100-SXM4-40GB';
    expect(names).toEqual([`${whole} MIG 3g.20gb`, `${whole} MIG 1c.3g.20gb`, whole]);
  });

  it('are waited for while the driver comes up', async () => {
    let looks = 0;
    const { port } = await machine((command) => {
      if (command !== 'nvidia-smi -L') return { exit: command.startsWith('rocm') ? 127 : 0 };
      return looks++ < 2 ? { exit: 9 } : { exit: 0, stdout: H100 };
    });
    expect(await waitForSsh(target(port, key), { ...LONG, gpus: { count: 2 } })).toMatchObject({ ok: true });
    expect(looks).toBe(3);
  });
});
