import { describe, expect, it } from 'vitest';
import type { Simcloud } from '../../src/simcloud/index.js';
import { call, cloudWith, dial, running, spec, ssh, sshConnect, until } from './support.js';

const BANNER = 'simcloud service on port 9999';
const open9999 = { fromPort: 9999, toPort: 9999 };

const put = async (cloud: Simcloud, id: string, ingressRules: unknown[]): Promise<number> =>
  (await call(cloud, 'PUT', `/instances/${id}/firewall-rules`, { ingressRules, egressRules: [] })).status;

describe('the firewall of a machine', () => {
  it('denies all but SSH by default, and opens what a rule opens', async () => {
    const cloud = await cloudWith();
    const machine = await running(cloud);
    expect(await dial(machine.publicAddress, 9999)).toBe('ECONNREFUSED');
    expect((await ssh(machine, 'true')).code).toBe(0);

    expect(await put(cloud, machine.id, [{ fromPort: 9000, toPort: 9999 }])).toBe(200);
    expect(await dial(machine.publicAddress, 9999)).toBe(BANNER);
    expect(await put(cloud, machine.id, [])).toBe(200);
    expect(await dial(machine.publicAddress, 9999)).toBe('ECONNREFUSED');
  });

  it('has the rules of the create from its first moment, and keeps them over a stop and start', async () => {
    const cloud = await cloudWith();
    const machine = await running(cloud, spec({ firewallRules: { ingressRules: [open9999] } }));
    expect(machine.firewallRules.ingressRules).toEqual([{ id: expect.any(String), ...open9999, ipRanges: [] }]);
    expect(await dial(machine.publicAddress, 9999)).toBe(BANNER);
    await call(cloud, 'POST', `/instances/${machine.id}/stop`);
    await until(async () => (await call(cloud, 'POST', `/instances/${machine.id}/start`)).status === 202);
    await until(async () => (await dial(machine.publicAddress, 9999)) === BANNER);
  });

  it.each([
    ['203.0.113.0/24', 'ECONNREFUSED'],
    ['2001:db8::/32', 'ECONNREFUSED'],
    ['127.99.0.0/16', 'ECONNRESET'],
    ['127.0.0.0/8', BANNER],
    ['127.0.0.1', BANNER],
    ['0.0.0.0/0', BANNER],
  ])('opens a port to %s alone: a caller from 127.0.0.1 meets %s', async (range, met) => {
    const cloud = await cloudWith();
    const machine = await running(
      cloud,
      spec({ firewallRules: { ingressRules: [{ ...open9999, ipRanges: [range] }] } }),
    );
    expect(await dial(machine.publicAddress, 9999)).toBe(met);
  });

  it('closes SSH itself when a rule for port 22 lets only others in', async () => {
    const cloud = await cloudWith();
    const machine = await running(cloud);
    const { client } = await sshConnect(machine);
    await put(cloud, machine.id, [{ fromPort: 22, toPort: 22, ipRanges: ['203.0.113.0/24'] }]);
    await expect(ssh(machine, 'true')).rejects.toThrow('ECONNREFUSED');
    // Who was in stays in: the firewall is stateful.
    await new Promise<void>((resolve, reject) => client.exec('true', (error) => (error ? reject(error) : resolve())));
    client.end();
    await put(cloud, machine.id, [{ fromPort: 22, toPort: 22, ipRanges: ['203.0.113.0/24', '127.0.0.0/8'] }]);
    expect((await ssh(machine, 'true')).code).toBe(0);
  });

  it('takes single rules and gives them back; an equal one is refused', async () => {
    const cloud = await cloudWith();
    const { id, publicAddress } = await running(cloud);
    const path = `/instances/${id}/firewall-rules`;
    const added = await call(cloud, 'POST', path, { ...open9999, ipRanges: ['127.0.0.0/8'] });
    expect(added.status).toBe(201);
    const twice = await call(cloud, 'POST', path, { ...open9999, ipRanges: ['127.0.0.0/8'] });
    expect([twice.status, twice.body.error.code]).toEqual([409, 'firewall.duplicate_rule']);
    expect((await call(cloud, 'POST', path, { ...open9999, direction: 'egress' })).status).toBe(201);
    expect(await dial(publicAddress, 9999)).toBe(BANNER);

    const ruleId = added.body.instance.firewallRules.ingressRules[0]?.id;
    const left = await call(cloud, 'DELETE', `${path}/${ruleId}`);
    expect(left.body.instance.firewallRules).toMatchObject({ ingressRules: [], egressRules: [open9999] });
    expect(await dial(publicAddress, 9999)).toBe('ECONNREFUSED');
  });

  it('makes one of equal rules in one request, and refuses a rule that is none', async () => {
    const cloud = await cloudWith();
    const { id } = await running(cloud);
    await put(cloud, id, [open9999, open9999]);
    expect((await call(cloud, 'GET', `/instances/${id}`)).body.instance.firewallRules.ingressRules).toHaveLength(1);
    expect(await put(cloud, id, [{ fromPort: 0, toPort: 1 }])).toBe(422);
  });

  it('protects a listener that somebody starts inside, and shows it alive from there', async () => {
    const cloud = await cloudWith();
    const machine = await running(cloud, spec({ tags: { services: '8080' } }));
    const { client } = await sshConnect(machine);
    client.exec('nc -l -p 7777', () => undefined);
    await until(async () => (await ssh(machine, 'nc -z 127.0.0.1 7777')).code === 0);
    expect(await dial(machine.publicAddress, 7777)).toBe('ECONNREFUSED');
    await put(cloud, machine.id, [{ fromPort: 7777, toPort: 8080 }]);
    expect(await dial(machine.publicAddress, 7777)).toBe('simcloud service on port 7777');
    expect(await dial(machine.publicAddress, 8080)).toBe('simcloud service on port 8080');
    client.end();
    await until(async () => (await dial(machine.publicAddress, 7777)) === 'ECONNREFUSED');
  });
});
