import { describe, expect, it } from 'vitest';
import { call, cloudWith, create, running, specFor, untilStatus } from './support.js';

describe('the ledger', () => {
  it('knows by which request each machine came, when each status began, and forgets none', async () => {
    const cloud = await cloudWith({ timing: { forgetAfterMs: 1_000 } });
    const answer = await call(cloud, 'POST', '/instances', specFor('a'));
    const { id } = answer.body.instance;
    await untilStatus(cloud, id, 'running');
    await call(cloud, 'DELETE', `/instances/${id}`);
    await untilStatus(cloud, id, 'terminated');
    await cloud.control.advance(10_000);
    expect((await call(cloud, 'GET', `/instances/${id}`)).status).toBe(404);

    const [entry] = await cloud.control.ledger();
    expect(entry).toMatchObject({
      id,
      account: 'default',
      requestId: answer.headers.get('x-request-id'),
      tags: { refId: 'a' },
      isLive: false,
    });
    expect(entry?.history.map(({ status }) => status)).toEqual(['pending', 'running', 'terminating', 'terminated']);
    const times = entry?.history.map(({ at }) => at) ?? [];
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it('bills from the creation to the end, and less while stopped', async () => {
    const cloud = await cloudWith();
    const { id } = await running(cloud, specFor('a'));
    await cloud.control.advance(3_600_000);
    await call(cloud, 'POST', `/instances/${id}/stop`);
    await untilStatus(cloud, id, 'stopped');
    await cloud.control.advance(3_600_000);
    await call(cloud, 'DELETE', `/instances/${id}`);
    await untilStatus(cloud, id, 'terminated');
    await cloud.control.advance(3_600_000);

    const [entry] = await cloud.control.ledger();
    expect(entry?.billing.map(({ mark }) => mark)).toEqual(['full', 'stopped', 'full']);
    expect(entry?.billing.at(-1)?.until).toBeDefined();
    expect(entry?.cost.currency).toBe('USD');
    expect(Number(entry?.cost.amount)).toBeCloseTo(0.75 + 0.075, 2);
  });

  it('counts calls by operation, and by endpoint and status', async () => {
    const cloud = await cloudWith();
    const { id } = await create(cloud);
    await call(cloud, 'GET', `/instances/${id}`);
    await call(cloud, 'GET', '/instances/i-0');
    await call(cloud, 'GET', '/instances', undefined, 'guess');
    const calls = await cloud.control.calls();
    expect(calls).toMatchObject({ total: 4, byOperation: { create: 1, get: 2, list: 1 } });
    expect(calls.byEndpoint).toEqual({
      'sim POST /instances': { 201: 1 },
      'sim GET /instances/:id': { 200: 1, 404: 1 },
      'sim GET /instances': { 401: 1 },
    });
  });
});

describe('the report', () => {
  it('counts as doubled each machine that came while another of its refId lived', async () => {
    const cloud = await cloudWith();
    for (let n = 0; n < 3; n++) await create(cloud, specFor('a'));
    const first = await create(cloud, specFor('b'));
    await call(cloud, 'DELETE', `/instances/${first.id}`);
    await create(cloud, specFor('b')); // the first was on its way out: a replacement, no double
    await create(cloud, { ...specFor('c'), tags: {} });
    await create(cloud, { ...specFor('c'), tags: {} }); // nobody's: cannot be doubled
    const report = await cloud.control.report();
    expect(report).toMatchObject({ created: 7, running: 6, doubled: 2, maxLivePerRefId: 3 });
    expect(report.doubledIds).toHaveLength(2);
  });

  it('counts a doubled machine for ever, also when one of the two is gone', async () => {
    const cloud = await cloudWith();
    const one = await create(cloud, specFor('a'));
    await create(cloud, specFor('a'));
    await call(cloud, 'DELETE', `/instances/${one.id}`);
    await untilStatus(cloud, one.id, 'terminated');
    expect(await cloud.control.report()).toMatchObject({ running: 1, doubled: 1, maxLivePerRefId: 2 });
  });

  it('counts as leaked what lives and nobody owns: a failed machine, a stopped one, one whose end was a lie', async () => {
    const cloud = await cloudWith();
    const [failed, lied, owned, ended] = [
      await running(cloud, specFor('a')),
      await running(cloud, specFor('b')),
      await running(cloud, specFor('c')),
      await running(cloud, specFor('d')),
    ];
    await cloud.control.fail(failed.id);
    await cloud.control.addFault({ operation: 'terminate', kind: 'terminate-lies', match: { tag: { refId: 'b' } } });
    for (const { id } of [lied, ended]) await call(cloud, 'DELETE', `/instances/${id}`);
    const report = await cloud.control.report({ ownedCloudIds: [owned.id] });
    expect(report).toMatchObject({ running: 3, leaked: 2, doubled: 0 });
    expect(report.leakedIds).toEqual([failed.id, lied.id]);
  });

  it('takes another tag for the refId where it is told to, also when it is set later', async () => {
    const cloud = await cloudWith({ refIdTag: 'owner' });
    const one = await create(cloud, { ...specFor('a'), tags: {} });
    await create(cloud, { ...specFor('b'), tags: { owner: 'x' } });
    expect((await cloud.control.report()).doubled).toBe(0);
    await call(cloud, 'PUT', `/instances/${one.id}/tags`, { tags: { owner: 'x' } });
    expect((await cloud.control.report()).doubled).toBe(1);
  });
});
