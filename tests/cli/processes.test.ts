import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import getPort from 'get-port';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { startSimcloud } from '../../src/simcloud/index.js';
import { makeSshKeyPair } from '../../src/ssh-key-pair.js';
import { collect, end, runCli, startCli, written } from './run-cli.js';

/** The commands that start things, each as its user would run it. Whole processes: slow where others work beside us. */
const PATIENT = { timeout: 180_000 };
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.concurrent('slipway simcloud', PATIENT, () => {
  it('writes what a worker and a first request need, and leaves keys alone the second time', async () => {
    const files = join(folder, 'cloud-files');
    const run = async () => {
      const cloud = startCli(['simcloud', '--files', files, '--json']);
      const { apiUrl } = JSON.parse(await wholeJson(cloud));
      expect(await end(cloud, 'SIGTERM')).toBe(0);
      const read = (name: string) => readFile(join(files, name), 'utf8');
      expect(JSON.parse(await read('credentials.json'))).toMatchObject([{ provider: 'sim', apiUrl }]);
      return await Promise.all(['request.json', 'ssh-keys.json', 'worker_ed25519'].map(read));
    };
    expect(await run()).toEqual(await run());
  });

  it('prints a credential that works, and keeps its machines in the data file', async () => {
    const dataFile = join(folder, 'cloud.json');
    const start = () => startCli(['simcloud', '--data', dataFile, '--json']);
    const ask = async (apiUrl: string, apiKey: string, method: string, body?: string) => {
      const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
      const answer = await fetch(`${apiUrl}/instances`, { method, headers, body });
      expect(answer.status).toBeLessThan(300);
      return await answer.text();
    };
    const first = start();
    const { apiUrl, apiKey } = JSON.parse(await wholeJson(first));
    const spec = { name: 'kept-machine', location: 'us-west-1', instanceType: 'gpu_1x_a10', publicKeys: [] };
    await ask(apiUrl, apiKey, 'POST', JSON.stringify(spec));
    expect(await end(first, 'SIGTERM')).toBe(0);

    const second = start();
    const again = JSON.parse(await wholeJson(second));
    expect(await ask(again.apiUrl, again.apiKey, 'GET')).toContain('kept-machine');
    expect(await end(second, 'SIGINT')).toBe(0);
  });
});

describe.concurrent('slipway worker', PATIENT, () => {
  it('is configured by its environment, takes instances to ready, and ends in order when it is asked to', async () => {
    const cloud = await startSimcloud();
    const cloudCredRefId = `sim-${randomUUID()}`;
    const at = await mkdtemp(join(folder, 'worker-'));
    const sim = { cloudCredRefId, provider: 'sim', apiUrl: `${cloud.url}/sim/v1`, apiKey: { env: 'SIM_KEY' } };
    await writeFile(join(at, 'credentials.json'), JSON.stringify([{ ...sim, pollIntervalMs: 100 }]));
    await writeFile(join(at, 'key'), makeSshKeyPair().privateKey);
    await writeFile(join(at, 'keys.json'), JSON.stringify({ default: 'key' }));
    const health = { SLIPWAY_HEALTH_ADDRESS: `127.0.0.1:${await getPort()}` };
    const env = { TEMPORAL_ADDRESS: inject('temporalAddress'), SLIPWAY_TASK_QUEUE: cloudCredRefId, ...health };
    const files = { SLIPWAY_CREDENTIALS: join(at, 'credentials.json'), SLIPWAY_SSH_KEYS: join(at, 'keys.json') };
    const worker = startCli(['worker'], { env: { ...env, ...files, SIM_KEY: 'sim-key' } });
    const output = collect(worker);
    const offers = [{ cloudCredRefId, location: 'us-west-1', instanceType: 'gpu_1x_a10' }];
    const request = { refId: randomUUID(), name: 'w', publicKey: makeSshKeyPair().publicKey, offers };
    const input = JSON.stringify(request);
    const { code, stderr } = await runCli(['provision', '-f', '-', '--wait'], { env, input });
    expect({ code, stderr, log: output.stderr }).toMatchObject({ code: 0 });
    expect((await runCli(['terminate', request.refId, '--wait'], { env })).code).toBe(0);
    expect(await runCli(['health'], { env })).toMatchObject({ code: 0, stdout: expect.stringContaining('RUNNING') });
    expect(await end(worker, 'SIGTERM')).toBe(0);
    expect((await runCli(['health'], { env })).code).toBe(5);
    for (const line of output.stderr.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('msg');
    await cloud.stop();
  });
});

describe.concurrent('slipway prepare', PATIENT, () => {
  it('makes a namespace that is usable at once, and changes nothing the second time', async () => {
    const namespace = `made-${randomUUID().slice(0, 8)}`;
    const env = { TEMPORAL_ADDRESS: inject('temporalAddress'), TEMPORAL_NAMESPACE: namespace };
    const first = await runCli(['prepare', '--retention', '3d'], { env });
    expect(first).toMatchObject({ code: 0, stdout: expect.stringContaining(`${namespace} was made`) });
    expect(await runCli(['ls', '--json'], { env })).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\[\]/) });
    const second = await runCli(['prepare'], { env });
    expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining(`${namespace} is there`) });
  });
});

describe.concurrent('slipway dev', PATIENT, () => {
  it('is found by other commands in its folder, is alone there, and finds its instances again after a crash', async () => {
    const cwd = await mkdtemp(join(folder, 'dev-'));
    const request = ['-f', join('.slipway', 'request.json')];
    const first = startCli(['dev'], { cwd });
    const output = collect(first);
    await written(first, output, /Ctrl-C stops it/);
    const [provisioned, twin] = await Promise.all([
      runCli(['provision', ...request, '--wait', '--json'], { cwd }),
      runCli(['dev'], { cwd }),
    ]);
    expect(provisioned.code).toBe(0);
    const { address, hostKey } = JSON.parse(provisioned.stdout).instance;
    expect(twin.code).toBe(2);
    expect(twin.stderr).toContain(String(first.pid));
    const ui = /Temporal UI +(\S+)/.exec(output.stdout)?.[1] ?? '';
    expect((await fetch(ui)).status).toBe(200);

    await end(first, 'SIGKILL');
    expect((await runCli(['ls'], { cwd })).code).toBe(6);

    const second = startCli(['dev'], { cwd });
    await written(second, collect(second), /here again/);
    const { stdout } = await runCli(['stop', 'trainer-1', '--wait', '--json'], { cwd });
    expect(JSON.parse(stdout).instance).toMatchObject({ phase: 'stopped', address, hostKey });
    expect(await end(second, 'SIGINT')).toBe(0);
    // What the log files hold is for everybody's eyes.
    const secret = (await readFile(join(cwd, '.slipway', 'worker_ed25519'), 'utf8')).split('\n')[2] ?? 'none';
    for (const name of (await readdir(join(cwd, '.slipway'))).filter((one) => one.endsWith('.log'))) {
      expect(await readFile(join(cwd, '.slipway', name), 'utf8')).not.toContain(secret);
    }
  });
});

describe.concurrent('slipway demo', PATIENT, () => {
  it('tells all scenes on the server it is given, leaves nothing there, and nothing in the cloud', async () => {
    const home = await mkdtemp(join(folder, 'tmp-'));
    const env = { TEMPORAL_ADDRESS: inject('temporalAddress'), TMPDIR: home };
    const { code, stdout, stderr } = await runCli(['demo'], { env });
    expect({ code, stderr }).toMatchObject({ code: 0 });
    for (let scene = 1; scene <= 7; scene += 1) expect(stdout).toMatch(new RegExp(`^${scene}\\. `, 'm'));
    expect(stdout).toMatch(/created +5\n +still running +0\n +doubled +0\n +leaked +0/);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(await readdir(home)).toEqual([]);
    const run = /straight-(\w+)/.exec(stdout)?.[1];
    const left = await runCli(['ls', '--credential', `sim-${run}`, '--json'], { env });
    expect(JSON.parse(left.stdout)).toEqual([]);
  });

  it('that cannot work says so, keeps the logs, and stops what it started', async () => {
    const home = await mkdtemp(join(folder, 'tmp-'));
    const cli = join(home, 'not-temporal');
    await writeFile(
      cli,
      '#!/bin/sh\n[ "$1" = --version ] && echo "temporal version 9.9.9 (Server 9.9.9, UI 9.9.9)" && exit 0\necho no luck\nexit 7\n',
      { mode: 0o755 },
    );
    const { code, stderr } = await runCli(['demo'], { env: { TEMPORAL_CLI_PATH: cli, TMPDIR: home } });
    expect(code).toBe(6);
    expect(stderr).toContain('no luck');
    const [kept = randomUUID()] = (await readdir(home)).filter((name) => name.startsWith('slipway-demo-'));
    expect(stderr).toContain(kept);
  });
});

/** Of the command's stdout, as soon as it is whole. */
async function wholeJson(child: ReturnType<typeof startCli>): Promise<string> {
  const output = collect(child);
  await written(child, output, /^\}$/m);
  return output.stdout;
}
