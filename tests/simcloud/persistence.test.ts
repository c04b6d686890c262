import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startSimcloud } from '../../src/simcloud/index.js';
import {
  call,
  cloudWith,
  create,
  dial,
  running,
  spec,
  specFor,
  ssh,
  stopClouds,
  until,
  untilStatus,
} from './support.js';

let folder: string;
let dataFile: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'simcloud-'));
  dataFile = join(folder, 'deep', 'cloud.json');
});
afterEach(async () => {
  await stopClouds(); // hooks run last first, and a cloud that still lives would write into the folder again
  await rm(folder, { recursive: true });
});

describe('a cloud that is started again from its file', () => {
  it('has its machines back: address, host key, firewall, and SSH that answers', async () => {
    const first = await cloudWith({ dataFile });
    const firewallRules = { ingressRules: [{ fromPort: 9999, toPort: 9999 }] };
    const machine = await running(first, spec({ firewallRules }));
    const before = await ssh(machine, 'true');
    await first.stop();
    await expect(ssh(machine, 'true')).rejects.toThrow('ECONNREFUSED');

    const second = await cloudWith({ dataFile });
    expect((await call(second, 'GET', `/instances/${machine.id}`)).body.instance).toEqual(machine);
    expect((await ssh(machine, 'true')).hostKey).toBe(before.hostKey);
    expect(await dial(machine.publicAddress, 9999)).toBe('simcloud service on port 9999');
  });

  it('goes on with what was under way', async () => {
    const first = await cloudWith({ dataFile, timing: { bootMs: 3_600_000, terminateMs: 3_600_000 } });
    const booting = await create(first, specFor('a'));
    const ending = await create(first, specFor('b'));
    await call(first, 'DELETE', `/instances/${ending.id}`);
    await first.control.advance(1_800_000);
    await first.stop();

    const second = await cloudWith({ dataFile });
    expect((await call(second, 'GET', `/instances/${booting.id}`)).body.instance.status).toBe('pending');
    await second.control.advance(1_800_000);
    await untilStatus(second, booting.id, 'running');
    await untilStatus(second, ending.id, 'terminated');
  });

  it('remembers ledger, stock, quota and faults, and gives no id twice', async () => {
    const first = await cloudWith({ dataFile });
    await first.control.setStock({ location: 'us-west-1', instanceType: 'gpu_1x_a10', count: 2 });
    await first.control.setQuota({ location: '*', maxInstances: 2 });
    const one = await create(first, specFor('a'));
    await first.control.addFault({ operation: 'create', kind: 'error-500', match: { tag: { refId: 'a' } } });
    const [entry] = await first.control.ledger();
    await first.stop();

    const second = await cloudWith({ dataFile });
    const [again] = await second.control.ledger();
    expect(again).toMatchObject({ id: one.id, requestId: entry?.requestId, createdAt: entry?.createdAt, isLive: true });
    expect((await second.control.calls()).byOperation).toEqual({ create: 1 });
    expect((await call(second, 'POST', '/instances', specFor('a'))).status).toBe(500);
    const two = await create(second, specFor('a'));
    expect(two.id).not.toBe(one.id);
    expect((await call(second, 'POST', '/instances', specFor('c'))).body.error.code).toBe('quota.exceeded');
    await second.control.setQuota({ location: '*', maxInstances: null });
    expect((await call(second, 'POST', '/instances', specFor('c'))).body.error.code).toBe('capacity.out_of_stock');
    expect(await second.control.report()).toMatchObject({ created: 2, doubled: 1 });
  });

  it('is not overwritten by the cloud before it, when that is stopped once more', async () => {
    const first = await cloudWith({ dataFile });
    await first.stop();
    const second = await cloudWith({ dataFile });
    const { id } = await create(second);
    await second.stop();
    await first.stop();
    expect(await readFile(dataFile, 'utf8')).toContain(id);
  });

  it('writes within moments, and whole', async () => {
    const cloud = await cloudWith({ dataFile });
    const { id } = await create(cloud);
    await until(async () => (await readFile(dataFile, 'utf8').catch(() => '')).includes(id));
    JSON.parse(await readFile(dataFile, 'utf8'));
    await cloud.stop();
    expect(await readdir(join(folder, 'deep'))).toEqual(['cloud.json']);
  });

  it('refuses a file that is not its own', async () => {
    const other = join(folder, 'other.json');
    await writeFile(other, 'not JSON');
    await expect(startSimcloud({ dataFile: other })).rejects.toThrow('not a simcloud data file');
    expect(await readFile(other, 'utf8')).toBe('not JSON');
  });
});
