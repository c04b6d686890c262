import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accessKeyIdOf } from '../../src/simcloud/index.js';
import { offerAt, openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';
import { sshPortHere } from '../support/vendor-ssh.js';

describe('an instance at AWS', () => {
  let slipway: TestSlipway;
  beforeAll(async () => {
    const sshPort = await sshPortHere();
    slipway = await openSlipway({
      // Terminated machines are still shown, as at EC2, and longer than a test takes.
      simcloud: { timing: { listingLagMs: 300, forgetAfterMs: 600_000 }, pageSize: 5 },
      credential: (cloud) => ({
        provider: 'aws',
        apiUrl: `${cloud.url}/aws`,
        apiKey: undefined,
        accessKeyId: accessKeyIdOf('sim-key'),
        secretAccessKey: 'sim-key',
        regions: ['us-west-1', 'us-east-1'],
        prices: { gpu_1x_a10: '0.75' },
        pollIntervalMs: 250,
        listingLagMs: 1_000,
        requestsPerSecond: 1_000,
        createsPerMinute: 6_000,
        sshPort,
      }),
    });
  });
  afterAll(async () => await slipway?.close());

  it('goes from the request to ready, stops, starts, reboots and ends with nothing left: no machine, no group', async () => {
    const { client, cloud } = slipway;
    const callers = Buffer.from('#cloud-config\nruncmd:\n  - [touch, /tmp/mine]\n').toString('base64');
    const firewallRules = { ingressRules: [{ fromPort: 9_999, toPort: 9_999, ipRanges: [] }] };
    const request = requestFor(slipway, { firewallRules, userDataBase64: callers, tags: { Team: 'a', Name: 'mine' } });
    const { refId } = request;
    await client.provision(request);
    const ready = await client.waitFor(refId, 'ready');
    expect(ready).toMatchObject({ lifecycleStatus: 'running', sshUser: 'ubuntu' });
    expect(await groups(slipway)).toHaveLength(1);

    const [line] = await cloud.control.ledger();
    const id = line?.id ?? '';
    const open = async () =>
      (await cloud.control.machine(id)).ports.filter(({ boundPort }) => boundPort !== null).map(({ port }) => port);
    expect(await open()).toEqual([22, 9_999]);

    await client.stop(refId);
    await client.waitFor(refId, 'stopped');
    await client.start(refId);
    expect((await client.waitFor(refId, 'ready')).hostKey).toBe(ready.hostKey);
    await client.reboot(refId);
    expect((await client.waitFor(refId, 'ready')).hostKey).toBe(ready.hostKey);

    const ingressRules = [{ fromPort: 80, toPort: 80, ipRanges: [] }];
    await client.setFirewallRules(refId, { firewallRules: { ingressRules } });
    await expect.poll(open).toEqual([22, 80]);
    await client.updateTags(refId, { tags: { Team: 'b' } });
    await expect.poll(async () => (await cloud.control.machine(id)).tags).toMatchObject({ Team: 'b', refId });
    await client.waitFor(refId, 'ready');

    await client.terminate(refId, { reason: 'done' });
    expect((await client.waitFor(refId, 'terminated')).terminated?.by).toBe('terminated');
    expect(await cloud.control.report()).toMatchObject({ created: 1, running: 0, doubled: 0 });
    // The end was waited for: there is nothing to poll for.
    expect(await groups(slipway)).toEqual([]);
  });

  it.each(['drop-answer-after-work', 'error-500-after-work', 'drop-before-work', 'error-503'] as const)(
    'is one machine with one group after a create that met %s',
    async (kind) => {
      const { client, cloud } = slipway;
      const before = (await cloud.control.report()).created;
      await cloud.control.addFault({ operation: 'create', kind });
      const { refId, ...request } = requestFor(slipway);
      await client.provision({ refId, ...request });
      await client.waitFor(refId, 'ready');
      expect(await cloud.control.report()).toMatchObject({ created: before + 1, running: 1, doubled: 0 });
      await client.terminate(refId);
      await client.waitFor(refId, 'terminated');
      expect(await cloud.control.report()).toMatchObject({ running: 0, leaked: 0 });
      await expect.poll(() => groups(slipway), { timeout: 20_000 }).toEqual([]);
    },
  );

  it('takes the next region when the first has no capacity, and leaves no group in either', async () => {
    const { client, cloud } = slipway;
    await cloud.control.setStock({ location: 'us-west-1', instanceType: 'gpu_1x_a10', count: 0 });
    const offers = [offerAt(slipway), offerAt(slipway, 'us-east-1')];
    const { refId, ...request } = requestFor(slipway, { offers });
    await client.provision({ refId, ...request });
    const { offer } = await client.waitFor(refId, 'ready');
    expect(offer?.location).toBe('us-east-1');
    expect((await groups(slipway)).map(({ region }) => region)).toEqual(['us-east-1']);
    await client.terminate(refId);
    await client.waitFor(refId, 'terminated');
    expect(await groups(slipway)).toEqual([]);
    await cloud.control.setStock({ location: 'us-west-1', instanceType: 'gpu_1x_a10', count: null });
  });

  it('keeps at an end until it is one: refused, throttled, answered with a web page', async () => {
    const { client, cloud } = slipway;
    const { refId, ...request } = requestFor(slipway);
    await client.provision({ refId, ...request });
    await client.waitFor(refId, 'ready');
    for (const kind of ['html-instead-of-json', 'rate-limited', 'error-500', 'drop-before-work'] as const) {
      await cloud.control.addFault({ operation: 'terminate', kind });
    }
    await client.terminate(refId);
    await client.waitFor(refId, 'terminated');
    expect(await cloud.control.report()).toMatchObject({ running: 0, doubled: 0, leaked: 0 });
    expect(await groups(slipway)).toEqual([]);
  });
});

async function groups({ cloud }: TestSlipway): Promise<{ region: string }[]> {
  const [shelf] = await cloud.control.shelves();
  return (shelf?.holds as { groups?: { region: string }[] } | undefined)?.groups ?? [];
}
