import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LAMBDA_RATE_LIMIT, type Simcloud } from '../../src/simcloud/index.js';
import { cloudWith, KEY } from './support.js';

/* What the dialect does that the adapter does not need, or must never meet. */

const BEARER = { authorization: 'Bearer sim-key' };

async function ask(cloud: Simcloud, method: string, path: string, body?: unknown, headers: object = BEARER) {
  const response = await fetch(`${cloud.url}/lambda-labs/api/v1${path}`, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  return { status: response.status, text, ...(isJson ? JSON.parse(text) : {}) };
}

const addKey = (cloud: Simcloud, name = 'k') => ask(cloud, 'POST', '/ssh-keys', { name, public_key: KEY.public });
const launch = (cloud: Simcloud, change: object = {}) =>
  ask(cloud, 'POST', '/instance-operations/launch', {
    region_name: 'us-west-1',
    instance_type_name: 'gpu_1x_a10',
    ssh_key_names: ['k'],
    ...change,
  });

describe('Lambda’s dialect', () => {
  it.each([
    ['Bearer', BEARER, 200],
    ['Basic, the key for a user', { authorization: `Basic ${Buffer.from('sim-key:').toString('base64')}` }, 200],
    ['another key', { authorization: 'Bearer other' }, 401],
    ['nothing', {}, 401],
  ])('knows its caller by %s', async (_what, headers, status) => {
    const cloud = await cloudWith();
    const answer = await ask(cloud, 'GET', '/instances', undefined, headers);
    expect(answer.status).toBe(status);
    if (status === 401) expect(answer.error.code).toBe('global/invalid-api-key');
  });

  it.each([
    ['a region', { region_name: 'mars-1' }],
    ['a type', { instance_type_name: 'gpu_9x' }],
    ['a key', { ssh_key_names: ['nobody’s'] }],
    ['an image', { image: { family: 'os2' } }],
  ])('does not know %s that does not exist', async (_what, change) => {
    const cloud = await cloudWith();
    await addKey(cloud);
    const { status, error } = await launch(cloud, change);
    expect({ status, code: error.code }).toEqual({ status: 404, code: 'global/object-does-not-exist' });
  });

  it.each([
    ['two keys', { ssh_key_names: ['k', 'k'] }],
    ['a tag key with upper case', { tags: [{ key: 'Team', value: 'a' }] }],
    ['a name too long', { name: 'n'.repeat(65) }],
  ])('refuses %s as invalid parameters', async (_what, change) => {
    const cloud = await cloudWith();
    await addKey(cloud);
    expect(await launch(cloud, change)).toMatchObject({ status: 400, error: { code: 'global/invalid-parameters' } });
    expect((await cloud.control.report()).created).toBe(0);
  });

  it('says in its own words that a body is no JSON', async () => {
    const cloud = await cloudWith();
    const answer = await ask(cloud, 'POST', '/ssh-keys', '{"name":');
    expect(answer).toMatchObject({ status: 400, error: { code: 'global/invalid-parameters' } });
  });

  it('keeps a key’s name to itself, makes a pair when asked, and forgets a key once', async () => {
    const cloud = await cloudWith();
    const { data } = await addKey(cloud);
    expect((await addKey(cloud)).status).toBe(400);
    expect((await ask(cloud, 'POST', '/ssh-keys', { name: 'pair' })).data.private_key).toContain('PRIVATE KEY');
    expect((await ask(cloud, 'GET', '/ssh-keys')).data).toHaveLength(2);
    expect((await ask(cloud, 'DELETE', `/ssh-keys/${data.id}`)).status).toBe(200);
    expect(await ask(cloud, 'DELETE', `/ssh-keys/${data.id}`)).toMatchObject({ error: { code: 'global/not-found' } });
  });

  it('renames a machine, and changes nothing else of it', async () => {
    const cloud = await cloudWith();
    await addKey(cloud);
    const [id] = (await launch(cloud, { name: 'old', tags: [{ key: 'team', value: 'a' }] })).data.instance_ids;
    const { data } = await ask(cloud, 'POST', `/instances/${id}`, { name: 'new', tags: [] });
    expect(data).toMatchObject({ id, name: 'new', tags: [{ key: 'team', value: 'a' }] });
  });

  it('ends all machines of a call or none', async () => {
    const cloud = await cloudWith();
    await addKey(cloud);
    const [id] = (await launch(cloud)).data.instance_ids;
    const answer = await ask(cloud, 'POST', '/instance-operations/terminate', { instance_ids: [id, 'i-unknown'] });
    expect(answer).toMatchObject({ status: 404, error: { code: 'global/object-does-not-exist' } });
    expect((await cloud.control.report()).running).toBe(1);
  });

  it('answers above the rate with Cloudflare’s page, in no other dialect’s name', async () => {
    const cloud = await cloudWith({ rateLimits: { 'lambda-labs': LAMBDA_RATE_LIMIT } });
    expect((await ask(cloud, 'GET', '/instances')).status).toBe(200);
    const banned = await ask(cloud, 'GET', '/instances');
    expect(banned.status).toBe(429);
    expect(banned.text).toContain('Error 1015');
    for (let i = 0; i < 3; i += 1) {
      expect((await fetch(`${cloud.url}/sim/v1/instances`, { headers: BEARER })).status).toBe(200);
    }
    await cloud.control.advance(1_000);
    expect((await ask(cloud, 'GET', '/instances')).status).toBe(200);
  });

  it('has its keys, rules and key names back after a restart', async () => {
    const dataFile = join(await mkdtemp(join(tmpdir(), 'simcloud-')), 'cloud.json');
    const before = await cloudWith({ dataFile });
    await addKey(before);
    await launch(before);
    await before.stop();
    const after = await cloudWith({ dataFile });
    expect((await ask(after, 'GET', '/ssh-keys')).data).toMatchObject([{ name: 'k' }]);
    expect((await ask(after, 'GET', '/instances')).data).toMatchObject([{ ssh_key_names: ['k'] }]);
    expect((await ask(after, 'GET', '/firewall-rules')).data).toHaveLength(2);
  });
});

describe('the account’s firewall', () => {
  const any = { protocol: 'tcp', port_range: [1, 65_535], source_network: '0.0.0.0/0', description: '' };
  const rulesOf = async (cloud: Simcloud, id: string) => {
    const { ingressRules } = (await cloud.control.machine(id)).firewallRules;
    return ingressRules.map(({ fromPort, toPort, ipRanges }) => [fromPort, toPort, ...ipRanges]);
  };
  const HOST = '#!/bin/sh\nufw allow 22/tcp\nufw allow in from 10.0.0.0/8 to any port 80\nufw --force enable\n';

  it('lets in what both it and the machine’s own let in, at launch and whenever it changes', async () => {
    const cloud = await cloudWith();
    await addKey(cloud);
    const [open] = (await launch(cloud)).data.instance_ids;
    const [guarded] = (await launch(cloud, { user_data: HOST })).data.instance_ids;
    expect(await rulesOf(cloud, open)).toEqual([[22, 22]]);
    expect(await rulesOf(cloud, guarded)).toEqual([[22, 22]]);
    await ask(cloud, 'PUT', '/firewall-rules', { data: [any] });
    expect(await rulesOf(cloud, open)).toEqual([[1, 65_535]]);
    expect(await rulesOf(cloud, guarded)).toEqual([
      [22, 22],
      [80, 80, '10.0.0.0/8'],
    ]);
    await ask(cloud, 'PUT', '/firewall-rules', { data: [{ ...any, source_network: '10.0.0.0/8' }] });
    expect(await rulesOf(cloud, guarded)).toEqual([
      [22, 22, '10.0.0.0/8'],
      [80, 80, '10.0.0.0/8'],
    ]);
    await ask(cloud, 'PUT', '/firewall-rules', { data: [{ ...any, source_network: '192.0.2.0/24' }] });
    expect(await rulesOf(cloud, guarded)).toEqual([[22, 22, '192.0.2.0/24']]);
  });
});
