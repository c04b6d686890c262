import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { connectClient } from '../../src/client/index.js';
import { makeSshKeyPair } from '../../src/ssh-key-pair.js';
import { runCli } from './run-cli.js';

/** Most of these wait for a deadline: at the same time. */
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'slipway-cli-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A folder of its own, as after a `slipway dev` with this pid. */
async function folderOfDev(pid?: number): Promise<string> {
  const folder = await mkdtemp(join(root, 'at-'));
  if (pid === undefined) return folder;
  await mkdir(join(folder, '.slipway'));
  const server = {
    address: inject('temporalAddress'),
    namespace: 'default',
    taskQueue: 'nobody',
    ui: '',
    simcloud: '',
  };
  await writeFile(join(folder, '.slipway', 'dev.json'), JSON.stringify({ pid, ...server }));
  return folder;
}

const NOWHERE = { TEMPORAL_ADDRESS: '127.0.0.1:1' };

describe.concurrent('without a server', () => {
  it('a command exits with 6 and says how to get one', async () => {
    const { code, stderr } = await runCli(['ls'], { cwd: await folderOfDev() });
    expect(code).toBe(6);
    expect(stderr).toContain('slipway dev');
    expect(stderr).toContain('TEMPORAL_ADDRESS');
  });

  it('a command exits with 6 when the one it was told does not answer, and names it', async () => {
    const { code, stderr } = await runCli(['ls', '--json'], { env: NOWHERE });
    expect(code).toBe(6);
    const message = expect.stringContaining('127.0.0.1:1');
    expect(JSON.parse(stderr)).toEqual({ error: { kind: 'Unreachable', message } });
  });

  it('a request that no worker takes is kept; whoever asks about it exits with 6', async () => {
    const refId = `lonely-${randomUUID()}`;
    const env = { TEMPORAL_ADDRESS: inject('temporalAddress'), SLIPWAY_TASK_QUEUE: refId };
    const offers = [{ cloudCredRefId: 'sim', location: 'us-west-1', instanceType: 'gpu_1x_a10' }];
    const request = { refId, name: 'lonely', publicKey: makeSshKeyPair().publicKey, offers };
    const { code: requested } = await runCli(['provision', '-f', '-'], { env, input: JSON.stringify(request) });
    expect(requested).toBe(0);
    const { code, stderr } = await runCli(['show', refId], { env });
    expect(code).toBe(6);
    expect(stderr).toContain('slipway worker');
    const connectionOptions = { address: inject('temporalAddress') };
    const temporal = await connectClient({ connectionOptions, namespace: 'default' });
    await temporal.workflow.getHandle(`instance/${refId}`).terminate('the test is over');
    await temporal.connection.close();
  });
});

describe.concurrent('the dev server of this folder', () => {
  it('is found without configuration, also from a folder below', async () => {
    const below = join(await folderOfDev(process.pid), 'a', 'b');
    await mkdir(below, { recursive: true });
    const { code, stderr } = await runCli(['show', 'nobody-has-this'], { cwd: below });
    expect(code).toBe(3);
    expect(stderr).toContain('nobody-has-this');
  });

  it('is not believed once its process is gone', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    expect((await runCli(['ls'], { cwd: await folderOfDev(pid) })).code).toBe(6);
  });

  it('gives way to a server that the environment names', async () => {
    const { code, stderr } = await runCli(['ls'], { cwd: await folderOfDev(process.pid), env: NOWHERE });
    expect(code).toBe(6);
    expect(stderr).toContain('127.0.0.1:1');
  });
});

describe.concurrent('configuration', () => {
  it('of a worker that has none is refused with 2, every issue named', async () => {
    const env = { TEMPORAL_ADDRESS: inject('temporalAddress'), SLIPWAY_LOG_LEVEL: 'loud' };
    const { code, stderr } = await runCli(['worker'], { cwd: await folderOfDev(), env });
    expect(code).toBe(2);
    expect(stderr).toContain('SLIPWAY_CREDENTIALS');
    expect(stderr).toContain('SLIPWAY_LOG_LEVEL');
  });
});
