import { describe, expect, it } from 'vitest';
import type { Simcloud } from '../../src/simcloud/index.js';
import { cloudWith, KEY, until } from './support.js';

/* What the dialect does that the adapter does not need, or must never meet. */

async function ask(cloud: Simcloud, method: string, path: string, body?: unknown, apiKey = 'sim-key') {
  const response = await fetch(`${cloud.url}/shadeform/v1${path}`, {
    method,
    headers: { 'x-api-key': apiKey, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, text, ...(text === '' ? {} : JSON.parse(text)) };
}

const addKey = async (cloud: Simcloud, name = 'k') =>
  await ask(cloud, 'POST', '/sshkeys/add', { name, public_key: KEY.public });
const create = async (cloud: Simcloud, change: object = {}) =>
  await ask(cloud, 'POST', '/instances/create', {
    cloud: 'simcloud',
    region: 'us-west-1',
    shade_instance_type: 'gpu_1x_a10',
    shade_cloud: true,
    name: 'mine',
    ssh_key_id: (await addKey(cloud)).id ?? (await ask(cloud, 'GET', '/sshkeys')).ssh_keys[0].id,
    ...change,
  });

describe('Shadeform’s dialect', () => {
  it('knows its caller by X-API-KEY', async () => {
    const cloud = await cloudWith();
    expect((await ask(cloud, 'GET', '/instances')).status).toBe(200);
    expect((await ask(cloud, 'GET', '/instances', undefined, 'other')).status).toBe(401);
  });

  it('says a name of a key is taken as others have seen it say so', async () => {
    const cloud = await cloudWith();
    expect((await addKey(cloud)).status).toBe(200);
    expect((await addKey(cloud)).error).toContain('name must be unique');
  });

  it('deletes no key in use, and one that nobody uses any more', async () => {
    const cloud = await cloudWith();
    const { id } = await create(cloud);
    const [key] = (await ask(cloud, 'GET', '/sshkeys')).ssh_keys;
    expect((await ask(cloud, 'POST', `/sshkeys/${key.id}/delete`)).status).toBe(400);
    await ask(cloud, 'POST', `/instances/${id}/delete`);
    await until(async () => (await ask(cloud, 'POST', `/sshkeys/${key.id}/delete`)).status === 200);
  });

  it('shows a machine on its way out, and neither lists nor finds it then', async () => {
    const cloud = await cloudWith({ timing: { terminateMs: 60_000 } });
    const { id } = await create(cloud);
    expect(await ask(cloud, 'POST', `/instances/${id}/delete`)).toMatchObject({ status: 200, text: '' });
    expect((await ask(cloud, 'GET', '/instances')).instances).toMatchObject([{ id, status: 'deleting' }]);
    await cloud.control.advance(60_000);
    expect((await ask(cloud, 'GET', '/instances')).instances).toEqual([]);
    expect((await ask(cloud, 'GET', `/instances/${id}/info`)).status).toBe(404);
  });

  it('keeps tags as they are, those without "=" too, and replaces them all', async () => {
    const cloud = await cloudWith();
    const { id } = await create(cloud, { tags: ['a=1=2', 'remark'] });
    expect((await ask(cloud, 'GET', `/instances/${id}/info`)).tags).toEqual(['a=1=2', 'remark']);
    await ask(cloud, 'POST', `/instances/${id}/update`, { tags: ['b=3'], name: 'new' });
    expect(await ask(cloud, 'GET', `/instances/${id}/info`)).toMatchObject({ tags: ['b=3'], name: 'new' });
  });

  it('leaves a machine open that no script guards, and does what a script says', async () => {
    const cloud = await cloudWith();
    const rules = async (change: object) => {
      const { id } = await create(cloud, change);
      return (await cloud.control.machine(id)).firewallRules.ingressRules.map(({ fromPort, toPort }) => [
        fromPort,
        toPort,
      ]);
    };
    const script = (text: string) => ({
      launch_configuration: { type: 'script', script_configuration: { base64_script: btoa(text) } },
    });
    expect(await rules({})).toEqual([[1, 65_535]]);
    expect(await rules(script('#!/bin/sh\ntry ufw allow 22/tcp\ntry ufw --force enable\n'))).toEqual([[22, 22]]);
    expect(await rules(script('#!/bin/sh\nufw allow 22/tcp\n'))).toEqual([[1, 65_535]]);
  });
});
