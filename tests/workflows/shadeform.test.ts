import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { wireTruth } from '../adapters/wire-truth.js';
import { offerAt, openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';

const wire = wireTruth({ file: 'shadeform.yaml', below: '/shadeform/v1' });

describe('an instance at Shadeform', () => {
  let slipway: TestSlipway;
  beforeAll(async () => {
    vi.stubGlobal('fetch', wire.fetch);
    slipway = await openSlipway({
      simcloud: { timing: { listingLagMs: 300 } },
      credential: (cloud) => ({
        provider: 'shadeform',
        apiUrl: `${cloud.url}/shadeform/v1`,
        listingLagMs: 500,
        createsPerMinute: 600,
      }),
    });
  });
  afterAll(async () => {
    await slipway?.close();
    vi.unstubAllGlobals();
  });
  const request = (more = {}) =>
    requestFor(slipway, { offers: [offerAt(slipway, 'us-west-1', 'simcloud_gpu_1x_a10')], ...more });

  it('goes from the request to ready, through a reboot and new tags, and ends with nothing left', async () => {
    const { client, cloud } = slipway;
    const firewallRules = { ingressRules: [{ fromPort: 9_999, toPort: 9_999, ipRanges: [] }] };
    const userDataBase64 = Buffer.from('#!/bin/sh\ntouch /tmp/mine\n').toString('base64');
    const asked = request({ firewallRules, userDataBase64, tags: { team: 'a' } });
    const { refId } = asked;
    await client.provision(asked);
    const ready = await client.waitFor(refId, 'ready');
    expect(ready).toMatchObject({ lifecycleStatus: 'running', sshUser: 'shadeform' });
    expect(await keys(slipway)).toHaveLength(1);

    const [line] = await cloud.control.ledger();
    const { ports } = await cloud.control.machine(line?.id ?? '');
    const open = ports.filter(({ boundPort }) => boundPort !== null).map(({ port }) => port);
    expect(open).toEqual([22, 9_999]);

    await client.reboot(refId);
    expect((await client.waitFor(refId, 'ready')).hostKey).toBe(ready.hostKey);
    await client.updateTags(refId, { tags: { team: 'b' } });
    await expect
      .poll(async () => (await cloud.control.machine(line?.id ?? '')).tags)
      .toMatchObject({ team: 'b', refId, 'slipway-attempt': `${refId}-1` });
    await expect(client.stop(refId)).rejects.toMatchObject({ kind: 'NotSupported' });

    await client.terminate(refId, { reason: 'done' });
    expect((await client.waitFor(refId, 'terminated')).terminated?.by).toBe('not-found');
    expect(await cloud.control.report()).toMatchObject({ created: 1, running: 0, doubled: 0 });
    await expect.poll(() => keys(slipway), { timeout: 20_000 }).toEqual([]);
  });

  it('is one machine after a create whose answer was lost', async () => {
    const { client, cloud } = slipway;
    const before = (await cloud.control.report()).created;
    await cloud.control.addFault({ operation: 'create', kind: 'drop-answer-after-work' });
    const asked = request();
    await client.provision(asked);
    await client.waitFor(asked.refId, 'ready');
    expect(await cloud.control.report()).toMatchObject({ created: before + 1, running: 1, doubled: 0 });
    await client.terminate(asked.refId);
    await client.waitFor(asked.refId, 'terminated');
  });

  it.skipIf(!wire.isHere)('spoke with it as the vendor’s document says', () => {
    const undocumented = /answered 40[04], and the document has no such answer/;
    expect(wire.faults().filter((fault) => !undocumented.test(fault))).toEqual([]);
    expect(wire.seen().length).toBeGreaterThan(6);
  });
});

async function keys({ cloud }: TestSlipway): Promise<unknown[]> {
  const [shelf] = await cloud.control.shelves();
  return (shelf?.holds as { keys?: unknown[] } | undefined)?.keys ?? [];
}
