import { describe, expect, it } from 'vitest';
import { call, cloudWith, create, spec, specFor, until, untilStatus } from './support.js';

describe('what a request is refused for', () => {
  it.each([
    ['an unknown location', { location: 'moon' }, 422, 'request.invalid', 'location'],
    ['an unknown type', { instanceType: 'gpu_9x_z' }, 422, 'request.invalid', 'instanceType'],
    ['no name', { name: undefined }, 422, 'request.invalid', 'name'],
    ['a key that is none', { publicKeys: ['ssh-ed25519 nonsense'] }, 422, 'request.invalid', 'publicKeys.0'],
    ['a tag that is no text', { tags: { a: 1 } }, 422, 'request.invalid', 'tags.a'],
    ['user data that is not base64', { userDataBase64: '#!/bin/sh' }, 422, 'request.invalid', 'userDataBase64'],
    ['a disk without a unit', { diskSize: { value: 1 } }, 422, 'request.invalid', 'diskSize.unit'],
    [
      'ports the wrong way round',
      { firewallRules: { ingressRules: [{ fromPort: 90, toPort: 80 }] } },
      422,
      'request.invalid',
      'firewallRules.ingressRules.0.toPort',
    ],
    [
      'a CIDR that is none',
      { firewallRules: { ingressRules: [{ fromPort: 80, toPort: 80, ipRanges: ['10.0.0.0/40'] }] } },
      422,
      'request.invalid',
      'firewallRules.ingressRules.0.ipRanges.0',
    ],
    ['an unknown image', { imageId: 'windows' }, 400, 'image.not_found', undefined],
    ['an image for another architecture', { imageId: 'ubuntu-22.04-arm64' }, 400, 'image.not_found', undefined],
  ])('names the field: %s', async (_what, change, status, code, field) => {
    const cloud = await cloudWith();
    const answer = await call(cloud, 'POST', '/instances', spec(change));
    expect(answer.status).toBe(status);
    expect(answer.body.error).toMatchObject({ code, ...(field ? { field } : {}) });
    expect((await cloud.control.report()).created).toBe(0);
  });

  it('refuses a type where it is not sold', async () => {
    const { DEFAULT_CATALOG } = await import('../../src/simcloud/index.js');
    const [first, ...rest] = DEFAULT_CATALOG.instanceTypes;
    if (!first) throw new Error('the catalog is not empty');
    const catalog = { ...DEFAULT_CATALOG, instanceTypes: [{ ...first, locations: ['eu-north-1'] }, ...rest] };
    const cloud = await cloudWith({ catalog });
    const answer = await call(cloud, 'POST', '/instances', spec({ instanceType: first.name }));
    expect([answer.status, answer.body.error.field]).toEqual([422, 'instanceType']);
  });

  it('lets nobody in without a key, nor a suspended account, and shows an account its own machines only', async () => {
    const accounts = [
      { apiKey: 'a', name: 'ann' },
      { apiKey: 'b', name: 'bob' },
    ];
    const cloud = await cloudWith({ accounts });
    expect((await call(cloud, 'GET', '/instances', undefined, 'guess')).body.error.code).toBe('auth.invalid_key');

    const { id } = await create(cloud, spec(), 'a');
    expect((await call(cloud, 'GET', `/instances/${id}`, undefined, 'b')).status).toBe(404);
    expect((await call(cloud, 'GET', '/instances', undefined, 'b')).body.instances).toEqual([]);

    await cloud.control.suspendAccount('bob', true);
    const refused = await call(cloud, 'GET', '/instances', undefined, 'b');
    expect([refused.status, refused.body.error.code]).toEqual([403, 'auth.forbidden']);
  });

  it('tells an unknown instance from an unknown anything else, and bad JSON from both', async () => {
    const cloud = await cloudWith();
    expect((await call(cloud, 'GET', '/instances/i-0')).body.error.code).toBe('instance.not_found');
    expect((await call(cloud, 'GET', '/nothing')).body.error.code).toBe('resource.not_found');
    const { id } = await create(cloud);
    expect((await call(cloud, 'DELETE', `/instances/${id}/firewall-rules/fwr-0`)).body.error.code).toBe(
      'resource.not_found',
    );
    const headers = { authorization: 'Bearer sim-key', 'content-type': 'application/json' };
    const bad = await fetch(`${cloud.url}/sim/v1/instances`, { method: 'POST', headers, body: '{' });
    expect(bad.status).toBe(422);
    expect(bad.headers.get('x-request-id')).toMatch(/^req-/);
  });

  it('limits the rate of each account, and says how long to wait', async () => {
    const cloud = await cloudWith({ rateLimit: { requestsPerSecond: 2, createsPerMinute: 1 } });
    expect((await call(cloud, 'POST', '/instances', spec())).status).toBe(201);
    const second = await call(cloud, 'POST', '/instances', spec());
    expect([second.status, second.body.error.code]).toEqual([429, 'rate.limited']);
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(50);
    expect((await call(cloud, 'GET', '/instances')).headers.get('retry-after')).toBe('1');
    await cloud.control.advance(1_000);
    expect((await call(cloud, 'GET', '/instances')).status).toBe(200);
  });
});

describe('stock and quota', () => {
  it('sells what is there and no more; what is given back can be had again', async () => {
    const cloud = await cloudWith();
    await cloud.control.setStock({ location: 'us-west-1', instanceType: 'gpu_1x_a10', count: 1 });
    const { id } = await create(cloud);
    const refused = await call(cloud, 'POST', '/instances', specFor('ref-2'));
    expect([refused.status, refused.body.error.code]).toEqual([409, 'capacity.out_of_stock']);
    const shown = (await call(cloud, 'GET', '/instance-types?location=us-west-1')).body.instanceTypes;
    expect(shown.find(({ name }) => name === 'gpu_1x_a10')?.available).toBe(false);

    await call(cloud, 'DELETE', `/instances/${id}`);
    await untilStatus(cloud, id, 'terminated');
    await create(cloud, specFor('ref-2'));
  });

  it('gives up its place while stopped: a start may find none', async () => {
    const cloud = await cloudWith();
    await cloud.control.setStock({ location: 'us-west-1', instanceType: 'gpu_1x_a10', count: 1 });
    const { id } = await create(cloud);
    await untilStatus(cloud, id, 'running');
    await call(cloud, 'POST', `/instances/${id}/stop`);
    await untilStatus(cloud, id, 'stopped');
    const other = await create(cloud, specFor('ref-2'));
    const refused = await call(cloud, 'POST', `/instances/${id}/start`);
    expect(refused.body.error.code).toBe('capacity.out_of_stock');
    expect((await call(cloud, 'GET', `/instances/${id}`)).body.instance.status).toBe('stopped');

    await call(cloud, 'DELETE', `/instances/${other.id}`);
    await untilStatus(cloud, other.id, 'terminated');
    expect((await call(cloud, 'POST', `/instances/${id}/start`)).status).toBe(202);
  });

  it('holds an account to its quota, per location and in all, and shows it', async () => {
    const cloud = await cloudWith();
    await cloud.control.setQuota({ location: 'us-west-1', maxInstances: 1 });
    await create(cloud);
    const refused = await call(cloud, 'POST', '/instances', specFor('ref-2'));
    expect([refused.status, refused.body.error.code]).toEqual([403, 'quota.exceeded']);
    const elsewhere = await create(cloud, specFor('ref-2', { location: 'us-east-1' }));
    expect(elsewhere.subLocation).toBe('us-east-1b');
    const { quotas } = (await call(cloud, 'GET', '/quotas')).body;
    expect(quotas.find(({ location }) => location === 'us-west-1')).toMatchObject({ maximum: 1, current: 1 });
    expect(quotas.find(({ location }) => location === null)).toMatchObject({ maximum: null, current: 2 });
  });
});

describe('a create that is asked for twice', () => {
  it('makes two machines, unless the account honours client tokens', async () => {
    const accounts = [
      { apiKey: 'plain', name: 'plain' },
      { apiKey: 'safe', name: 'safe', idempotentCreate: true },
    ];
    const cloud = await cloudWith({ accounts });
    const body = spec({ clientToken: 'token-1' });
    const ids = async (apiKey: string): Promise<number> => {
      const made = await Promise.all([create(cloud, body, apiKey), create(cloud, body, apiKey)]);
      return new Set(made.map(({ id }) => id)).size;
    };
    expect(await ids('plain')).toBe(2);
    expect(await ids('safe')).toBe(1);
    const other = await call(cloud, 'POST', '/instances', { ...body, name: 'another' }, 'safe');
    expect([other.status, other.body.error.field]).toEqual([422, 'clientToken']);
  });
});

describe('the catalog', () => {
  it('shows each type once for each location that sells it, with its price', async () => {
    const cloud = await cloudWith({ pageSize: 7 });
    const seen: { id: string }[] = [];
    let pageToken: string | undefined = '';
    await until(async () => {
      const { body } = await call(cloud, 'GET', `/instance-types?pageToken=${pageToken ?? ''}`);
      seen.push(...body.instanceTypes);
      pageToken = body.nextPageToken;
      return pageToken === undefined;
    });
    expect(new Set(seen.map(({ id }) => id)).size).toBe(24);
    expect(seen).toContainEqual(
      expect.objectContaining({
        name: 'gpu_8x_h100_sxm5',
        location: 'eu-north-1',
        available: true,
        stoppable: false,
        architecture: 'x86_64',
        pricePerHour: { amount: '23.92', currency: 'USD' },
        gpu: expect.objectContaining({ name: 'H100', count: 8, memory: { value: 80, unit: 'GiB' } }),
      }),
    );
    expect((await call(cloud, 'GET', '/locations')).body.locations).toHaveLength(3);
    expect((await call(cloud, 'GET', '/images')).body.images.length).toBeGreaterThan(0);
    expect((await call(cloud, 'GET', '/instance-types?location=moon')).status).toBe(422);
  });
});
