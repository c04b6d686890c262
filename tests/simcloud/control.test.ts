import { describe, expect, it } from 'vitest';
import { type Control, createControlClient } from '../../src/simcloud/index.js';
import { call, cloudWith, create, running, specFor, untilStatus } from './support.js';

describe('the control plane', () => {
  it('says the same to another process as to this one', async () => {
    const cloud = await cloudWith();
    const { id } = await running(cloud);
    const remote = createControlClient(cloud.url);
    const answers = (control: Control): Promise<unknown[]> =>
      Promise.all([
        control.report({ ownedCloudIds: [id] }),
        control.calls(),
        control.faults(),
        control.machine(id),
        control.setTiming({}),
        control.ledger().then((lines) => lines.map(({ cost: _moves, ...rest }) => rest)),
      ]);
    expect(await answers(remote)).toEqual(await answers(cloud.control));
    expect(JSON.stringify(await remote.machine(id))).not.toContain('PRIVATE KEY');
  });

  it('does from another process whatever it does from this one', async () => {
    const cloud = await cloudWith({ timing: { bootMs: 3_600_000 } });
    const remote = createControlClient(cloud.url);
    await remote.setTiming({ bootMs: 7_200_000 });
    const { id } = await create(cloud);
    const before = await remote.advance(3_600_000);
    expect((await call(cloud, 'GET', `/instances/${id}`)).body.instance.status).toBe('pending');
    expect(await remote.advance(3_600_000)).toBeGreaterThanOrEqual(before + 3_600_000);
    await untilStatus(cloud, id, 'running');

    await remote.setStock({ location: 'us-west-1', instanceType: 'gpu_1x_a10', count: 0 });
    expect((await call(cloud, 'POST', '/instances', specFor('b'))).status).toBe(409);
    await remote.setStock({ location: 'us-west-1', instanceType: 'gpu_1x_a10', count: null });
    await remote.setQuota({ location: '*', maxInstances: 1 });
    expect((await call(cloud, 'POST', '/instances', specFor('b'))).status).toBe(403);
    await remote.setQuota({ location: '*', maxInstances: null });

    const fault = await remote.addFault({ operation: 'create', kind: 'error-500', times: 'always' });
    expect((await call(cloud, 'POST', '/instances', specFor('b'))).status).toBe(500);
    await remote.removeFaults(fault.id);
    await remote.setSchedule({ seed: 1, rates: { 'error-503': 1 }, operations: ['create'] });
    expect((await call(cloud, 'POST', '/instances', specFor('b'))).status).toBe(503);
    await remote.setSchedule(null);

    await remote.stop(id);
    expect((await remote.machine(id)).status).toBe('stopped');
    await remote.fail(id, 'smoke');
    expect(await remote.machine(id)).toMatchObject({ status: 'failed', statusMessage: 'smoke' });
    await remote.vanish(id);
    await expect(remote.machine(id)).rejects.toMatchObject({ code: 'instance.not_found' });
    expect((await call(cloud, 'GET', `/instances/${id}`)).status).toBe(404);
    await remote.suspendAccount('default', true);
    expect((await call(cloud, 'GET', '/instances')).status).toBe(403);
    await expect(remote.suspendAccount('nobody', true)).rejects.toMatchObject({ code: 'resource.not_found' });
  });

  it('names the field that is wrong', async () => {
    const { url } = await cloudWith();
    const put = async (path: string, body: unknown, method = 'PUT'): Promise<unknown> => {
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`${url}/_control${path}`, { method, headers, body: JSON.stringify(body) });
      return [response.status, ((await response.json()) as { error: { field: string } }).error.field];
    };
    expect(await put('/stock', { location: 'x', instanceType: 'y' })).toEqual([422, 'count']);
    expect(await put('/timing', { bootMs: -1 })).toEqual([422, 'bootMs']);
    expect(await put('/schedule', { seed: 1, rates: { 'error-500': 2 } })).toEqual([422, 'rates.error-500']);
    expect(await put('/faults', { operation: 'create', kind: 'flood' }, 'POST')).toEqual([422, 'kind']);
    expect((await fetch(`${url}/_control/report?ownedCloudIds=a,b`)).status).toBe(200);
  });
});
