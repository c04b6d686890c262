import { describe, expect, it } from 'vitest';
import { boundPort, cloudWith, create, dial, running, specFor, ssh } from './support.js';

describe('two clouds on one computer', () => {
  it('never share an address, even with one seed; each knows its own machines only', async () => {
    const [one, two] = await Promise.all([cloudWith({ seed: 1 }), cloudWith({ seed: 1 })]);
    const refs = ['a', 'b', 'c'];
    const machines = await Promise.all([one, two].flatMap((cloud) => refs.map((ref) => running(cloud, specFor(ref)))));
    expect(new Set(machines.map(({ publicAddress }) => publicAddress)).size).toBe(6);
    const keys = await Promise.all(machines.map(async (machine) => (await ssh(machine, 'true')).hostKey));
    expect(new Set(keys).size).toBe(6);
    expect(await one.control.report()).toMatchObject({ created: 3, doubled: 0 });

    await one.stop();
    const [mine] = machines;
    expect(await dial(mine?.publicAddress ?? '', mine?.sshPort ?? 0)).toBe('ECONNREFUSED');
    expect((await ssh(machines[5] ?? { sshPort: 0, sshUser: '' }, 'hostname')).stdout).toBe('c\n');
  });

  it('has room for more machines than one block of addresses holds', async () => {
    const cloud = await cloudWith({ timing: { bootMs: 3_600_000 } });
    const made = await Promise.all(
      Array.from({ length: 300 }, (_none, index) => create(cloud, specFor(`ref-${index}`))),
    );
    await cloud.control.advance(3_600_000);
    const views = await Promise.all(made.map(({ id }) => cloud.control.machine(id)));
    expect(new Set(views.map(({ address }) => address)).size).toBe(300);
    await cloud.control.advance(1_000);
    expect(await boundPort(cloud, made[299]?.id ?? '', 22)).not.toBeNull();
  });

  it('puts all machines on 127.0.0.1 where there is no other address, each on a port of its own', async () => {
    const cloud = await cloudWith({ ssh: { sharedAddress: true } });
    const firewallRules = { ingressRules: [{ fromPort: 9999, toPort: 9999 }] };
    const machines = await Promise.all(['a', 'b'].map((ref) => running(cloud, specFor(ref, { firewallRules }))));
    expect(machines.map(({ publicAddress }) => publicAddress)).toEqual(['127.0.0.1', '127.0.0.1']);
    for (const machine of machines) {
      expect((await ssh(machine, 'hostname')).stdout).toBe(`${machine.name}\n`);
      const port = await boundPort(cloud, machine.id, 9999);
      expect(await dial('127.0.0.1', port ?? 0)).toBe('simcloud service on port 9999');
    }
  });
});
