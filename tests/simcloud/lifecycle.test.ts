import { describe, expect, it } from 'vitest';
import { call, cloudWith, create, running, spec, ssh, sshConnect, until, untilStatus } from './support.js';

describe('the lifecycle of a machine', () => {
  it('is pending without an address, then running with one, and ends as terminated', async () => {
    const cloud = await cloudWith();
    const created = await create(cloud);
    expect(created).toMatchObject({ status: 'pending', sshUser: 'ubuntu', tags: { refId: 'ref-1' }, stoppable: true });
    expect(created.publicAddress).toBeUndefined();

    const live = await untilStatus(cloud, created.id, 'running');
    expect(live.publicAddress).toMatch(/^127\./);
    expect(live.pricePerHour).toEqual({ amount: '0.75', currency: 'USD' });

    const ending = await call(cloud, 'DELETE', `/instances/${created.id}`);
    expect(ending.status).toBe(202);
    expect(ending.body.instance.status).toBe('terminating');
    await untilStatus(cloud, created.id, 'terminated');
  });

  it('accepts a second termination until it has forgotten the machine, and then knows nothing of it', async () => {
    const cloud = await cloudWith({ timing: { forgetAfterMs: 60_000 } });
    const { id } = await create(cloud);
    for (let time = 0; time < 2; time++) expect((await call(cloud, 'DELETE', `/instances/${id}`)).status).toBe(202);
    await untilStatus(cloud, id, 'terminated');
    expect((await call(cloud, 'DELETE', `/instances/${id}`)).status).toBe(202);
    expect((await call(cloud, 'GET', '/instances')).body.instances).toHaveLength(1);

    await cloud.control.advance(61_000);
    expect((await call(cloud, 'GET', `/instances/${id}`)).body.error.code).toBe('instance.not_found');
    expect((await call(cloud, 'DELETE', `/instances/${id}`)).status).toBe(404);
    expect((await call(cloud, 'GET', '/instances')).body.instances).toEqual([]);
  });

  it('stops, starts and reboots with the same host key and address, and cuts connections when it goes down', async () => {
    const cloud = await cloudWith();
    const machine = await running(cloud);
    const first = await ssh(machine, 'true');

    const { client } = await sshConnect(machine);
    const cut = new Promise<void>((resolve) => client.once('close', () => resolve()));
    expect((await call(cloud, 'POST', `/instances/${machine.id}/stop`)).status).toBe(202);
    await cut;
    await untilStatus(cloud, machine.id, 'stopped');
    await expect(ssh(machine, 'true')).rejects.toThrow('ECONNREFUSED');

    expect((await call(cloud, 'POST', `/instances/${machine.id}/start`)).body.instance.status).toBe('pending');
    const again = await untilStatus(cloud, machine.id, 'running');
    expect(again.publicAddress).toBe(machine.publicAddress);
    const second = await until(() => ssh(machine, 'true').catch(() => undefined));

    expect((await call(cloud, 'POST', `/instances/${machine.id}/reboot`)).status).toBe(202);
    const third = await until(() => ssh(machine, 'true').catch(() => undefined));
    expect([second.hostKey, third.hostKey]).toEqual([first.hostKey, first.hostKey]);
  });

  it('refuses what the state does not allow', async () => {
    const cloud = await cloudWith({ timing: { bootMs: 60_000, stopMs: 60_000 } });
    const { id } = await create(cloud);
    expect((await call(cloud, 'POST', `/instances/${id}/stop`)).body.error.code).toBe('instance.wrong_state');
    await cloud.control.advance(60_000);
    const resize = await call(cloud, 'PUT', `/instances/${id}/instance-type`, { instanceType: 'gpu_1x_h100_pcie' });
    expect(resize.body.error.code).toBe('instance.wrong_state');
    await call(cloud, 'POST', `/instances/${id}/stop`);
    expect((await call(cloud, 'POST', `/instances/${id}/start`)).body.error.code).toBe('instance.busy');
    await call(cloud, 'DELETE', `/instances/${id}`);
    expect((await call(cloud, 'POST', `/instances/${id}/start`)).body.error.code).toBe('instance.wrong_state');
  });

  it('cannot be terminated before its minimum term is over', async () => {
    const cloud = await cloudWith({ timing: { minimumTermMs: 3_600_000 } });
    const { id } = await create(cloud);
    const refused = await call(cloud, 'DELETE', `/instances/${id}`);
    expect([refused.status, refused.body.error.code]).toEqual([409, 'instance.busy']);
    await cloud.control.advance(3_600_000);
    expect((await call(cloud, 'DELETE', `/instances/${id}`)).status).toBe(202);
  });

  it('changes its type while stopped, its disk upwards only, and its tags at any time', async () => {
    const cloud = await cloudWith();
    const { id } = await running(cloud, spec({ diskSize: { value: 100, unit: 'GiB' } }));
    await call(cloud, 'POST', `/instances/${id}/stop`);
    await untilStatus(cloud, id, 'stopped');
    const typed = await call(cloud, 'PUT', `/instances/${id}/instance-type`, { instanceType: 'gpu_1x_h100_pcie' });
    expect(typed.body.instance).toMatchObject({ instanceType: 'gpu_1x_h100_pcie', pricePerHour: { amount: '2.49' } });

    const shrunk = await call(cloud, 'PUT', `/instances/${id}/disk`, { diskSize: { value: 99, unit: 'GiB' } });
    expect([shrunk.status, shrunk.body.error.field]).toEqual([422, 'diskSize']);
    const grown = await call(cloud, 'PUT', `/instances/${id}/disk`, { diskSize: { value: 1, unit: 'TiB' } });
    expect(grown.body.instance.diskSize).toEqual({ value: 1, unit: 'TiB' });

    const tagged = await call(cloud, 'PUT', `/instances/${id}/tags`, { tags: { refId: 'ref-1', team: 'a' } });
    expect(tagged.body.instance.tags).toEqual({ refId: 'ref-1', team: 'a' });
  });
});
