import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NEBIUS_TENANT } from '../../src/simcloud/index.js';
import { serviceAccountKey, withServiceAccount } from '../support/nebius.js';
import { offerAt, openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';
import { sshPortHere } from '../support/vendor-ssh.js';

const TYPE = 'gpu-a10.1gpu-30vcpu-200gb';

describe('an instance at Nebius', () => {
  let slipway: TestSlipway;
  beforeAll(async () => {
    const sshPort = await sshPortHere();
    slipway = await openSlipway({
      simcloud: {
        accounts: [withServiceAccount({ apiKey: 'sim-key', name: 'default' })],
        timing: { listingLagMs: 300 },
      },
      credential: (cloud) => ({
        provider: 'nebius',
        apiKey: undefined,
        apiUrl: cloud.url,

        serviceAccountKey: serviceAccountKey(),
        tenantId: NEBIUS_TENANT,
        listingLagMs: 500,
        createsPerMinute: 600,
        sshPort,
      }),
    });
  });
  afterAll(async () => {
    await slipway?.close();
  });
  const request = (more = {}) => requestFor(slipway, { offers: [offerAt(slipway, 'us-west-1', TYPE)], ...more });

  it('goes from the request to ready, stops, starts, takes new tags, and ends with nothing left', async () => {
    const { client, cloud } = slipway;
    const firewallRules = { ingressRules: [{ fromPort: 9_999, toPort: 9_999, ipRanges: [] }] };
    const userDataBase64 = Buffer.from('#cloud-config\nruncmd:\n  - [touch, /tmp/mine]\n').toString('base64');
    const asked = request({ firewallRules, userDataBase64, tags: { team: 'a' } });
    const { refId } = asked;
    await client.provision(asked);
    const ready = await client.waitFor(refId, 'ready');
    expect(ready).toMatchObject({ lifecycleStatus: 'running', sshUser: 'ubuntu' });
    expect(await disks(slipway)).toHaveLength(1);

    const [line] = await cloud.control.ledger();
    const open = async () =>
      (await cloud.control.machine(line?.id ?? '')).ports
        .filter(({ boundPort }) => boundPort !== null)
        .map(({ port }) => port);
    expect(await open()).toEqual([22, 9_999]);

    await client.stop(refId);
    expect(await client.waitFor(refId, 'stopped')).toMatchObject({ lifecycleStatus: 'stopped' });
    await client.updateTags(refId, { tags: { team: 'b' } });
    await expect
      .poll(async () => (await cloud.control.machine(line?.id ?? '')).tags)
      .toMatchObject({ team: 'b', refId, 'slipway-attempt': `${refId}-1` });
    await client.start(refId);
    expect((await client.waitFor(refId, 'ready')).hostKey).toBe(ready.hostKey);
    expect(await open()).toEqual([22, 9_999]);
    await expect(client.reboot(refId)).rejects.toMatchObject({ kind: 'NotSupported' });

    await client.terminate(refId, { reason: 'done' });
    expect((await client.waitFor(refId, 'terminated')).terminated?.by).toBe('not-found');
    expect(await cloud.control.report()).toMatchObject({ created: 1, running: 0, doubled: 0 });
    expect(await liveDisks(slipway)).toEqual([]);
  });

  it.each(['drop-answer-after-work', 'error-500-after-work', 'late-work'] as const)(
    'is one machine after a create that met %s',
    async (kind) => {
      const { client, cloud } = slipway;
      const { created, doubled } = await cloud.control.report();
      // Later than the listing lag would be the cloud's own fault: two machines, and a stray.
      await cloud.control.addFault({ operation: 'create', kind, delayMs: 100 });
      const asked = request();
      await client.provision(asked);
      await client.waitFor(asked.refId, 'ready');
      expect(await cloud.control.report()).toMatchObject({ created: created + 1, running: 1, doubled });
      await client.terminate(asked.refId);
      await client.waitFor(asked.refId, 'terminated');
      expect(await cloud.control.report()).toMatchObject({ running: 0 });
    },
  );

  it('goes to the next offer when the first is accepted and then fails for want of stock', async () => {
    const { client, cloud } = slipway;
    const { created } = await cloud.control.report();
    await cloud.control.setStock({ location: 'us-west-1', instanceType: 'gpu_1x_a10', count: 0 });
    const offers = [offerAt(slipway, 'us-west-1', TYPE), offerAt(slipway, 'us-east-1', TYPE)];
    const asked = request({ offers });
    await client.provision(asked);
    expect((await client.waitFor(asked.refId, 'ready')).offer?.location).toBe('us-east-1');
    const { events } = await client.events(asked.refId);
    expect(JSON.stringify(events)).toContain('InsufficientResources');
    expect((await cloud.control.report()).created).toBe(created + 1);
    await client.terminate(asked.refId);
    await client.waitFor(asked.refId, 'terminated');
    await cloud.control.setStock({ location: 'us-west-1', instanceType: 'gpu_1x_a10', count: null });
  });

  it('ends a machine whose first termination was a lie and whose listings lose pages', async () => {
    const { client, cloud } = slipway;
    const asked = request();
    await client.provision(asked);
    await client.waitFor(asked.refId, 'ready');
    await cloud.control.addFault({ operation: 'terminate', kind: 'terminate-lies' });
    await cloud.control.addFault({ operation: 'list', kind: 'list-loses-page', times: 3 });
    await client.terminate(asked.refId);
    await client.waitFor(asked.refId, 'terminated', { timeoutMs: 60_000 });
    expect(await cloud.control.report()).toMatchObject({ running: 0, doubled: 0 });
    await cloud.control.removeFaults();
  });

  it('goes on when its token is refused: another is had', async () => {
    const { client, cloud } = slipway;
    const exchanges = async () =>
      Object.entries((await cloud.control.calls()).byEndpoint)
        .filter(([endpoint]) => endpoint.includes('TokenExchange'))
        .reduce((sum, [, statuses]) => sum + (statuses[200] ?? 0), 0);
    const before = await exchanges();
    await cloud.control.advance(13 * 3_600_000); // the token's whole life
    const asked = request();
    await client.provision(asked);
    await client.waitFor(asked.refId, 'ready');
    expect(await exchanges()).toBeGreaterThan(before);
    await client.terminate(asked.refId);
    await client.waitFor(asked.refId, 'terminated');
  });
});

interface Disk {
  managedBy?: string;
}

async function disks({ cloud }: TestSlipway): Promise<Disk[]> {
  const shelf = (await cloud.control.shelves()).find(({ dialect }) => dialect === 'nebius');
  return Object.values((shelf?.holds as { disks?: Record<string, Disk> } | undefined)?.disks ?? {});
}

/** A disk goes with its machine; the shelf drops it when somebody looks. */
async function liveDisks(slipway: TestSlipway): Promise<Disk[]> {
  const live = new Set((await slipway.cloud.control.ledger()).filter(({ isLive }) => isLive).map(({ id }) => id));
  return (await disks(slipway)).filter(({ managedBy }) => managedBy === undefined || live.has(managedBy));
}
