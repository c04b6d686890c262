import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { TAG } from '../../src/adapters/lambda-labs/identity.js';
import { LAMBDA_RATE_LIMIT } from '../../src/simcloud/index.js';
import { wireTruth } from '../adapters/wire-truth.js';
import { openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';
import { sshPortHere } from '../support/vendor-ssh.js';

const wire = wireTruth({
  file: 'lambdalabs.yaml',
  below: '/lambda-labs',
  exceptions: [[/answered 429/, 'the document names the rate limit, and no answer for it']],
});

/** Lambda's limits, so many times as fast. */
const SCALE = 20;

describe('an instance at Lambda', () => {
  let slipway: TestSlipway;
  beforeAll(async () => {
    vi.stubGlobal('fetch', wire.fetch);
    const sshPort = await sshPortHere();
    const { requestsPerSecond = 0, createsPerMinute = 0, ...limit } = LAMBDA_RATE_LIMIT;
    const scaled = { requestsPerSecond: requestsPerSecond * SCALE, createsPerMinute: createsPerMinute * SCALE };
    slipway = await openSlipway({
      simcloud: {
        refIdTag: TAG.refId,
        timing: { listingLagMs: 300 },
        // The network bunches what was sent evenly: on a busy computer by more than our margin, scaled like this.
        rateLimits: { 'lambda-labs': { ...limit, ...scaled, burst: 2 } },
      },
      credential: (cloud) => ({
        provider: 'lambda-labs',
        apiUrl: `${cloud.url}/lambda-labs/api/v1`,
        pollIntervalMs: 250,
        listingLagMs: 500,
        sshPort,
        ...scaled,
      }),
    });
  });
  afterAll(async () => {
    await slipway?.close();
    vi.unstubAllGlobals();
  });

  it('buys nothing for rules that the account’s own firewall would keep out, and says which', async () => {
    const { client, cloud } = slipway;
    const firewallRules = { ingressRules: [{ fromPort: 9_999, toPort: 9_999, ipRanges: [] }] };
    const request = requestFor(slipway, { firewallRules });
    await client.provision(request);
    await expect(client.waitFor(request.refId, 'ready')).rejects.toThrow(/account’s own firewall.*9999/);
    expect((await cloud.control.report()).created).toBe(0);
  });

  it('goes from the request to ready, through a reboot, and ends with nothing left: no machine, no SSH key', async () => {
    const { client, cloud } = slipway;
    const callers = Buffer.from('#cloud-config\nruncmd:\n  - [touch, /tmp/mine]\n').toString('base64');
    const firewallRules = { ingressRules: [{ fromPort: 9_999, toPort: 9_999, ipRanges: [] }] };
    const request = requestFor(slipway, { firewallRules, userDataBase64: callers, tags: { Team: 'a', cost: 'b' } });
    const { refId } = request;
    await openAccount(slipway);
    await client.provision(request);
    const ready = await client.waitFor(refId, 'ready');
    expect(ready).toMatchObject({ lifecycleStatus: 'running', sshUser: 'ubuntu' });
    expect(ready.hostKey).toMatch(/^ssh-ed25519 /);
    expect(await keys(slipway)).toHaveLength(1);

    const [line] = await cloud.control.ledger();
    const { ports } = await cloud.control.machine(line?.id ?? '');
    expect(ports.filter(({ boundPort }) => boundPort !== null).map(({ port }) => port)).toEqual([22, 9_999]);

    await client.reboot(refId);
    const again = await client.waitFor(refId, 'ready');
    expect(again.hostKey).toBe(ready.hostKey);
    await expect(client.stop(refId)).rejects.toMatchObject({ kind: 'NotSupported' });

    await client.terminate(refId, { reason: 'done' });
    const over = await client.waitFor(refId, 'terminated');
    expect(over.terminated?.by).toMatch(/not-found|terminated/);
    expect(await cloud.control.report()).toMatchObject({ created: 1, running: 0, doubled: 0 });
    await expect.poll(() => keys(slipway), { timeout: 10_000 }).toEqual([]);
  });

  it('is one machine after a launch whose answer was lost', async () => {
    const { client, cloud } = slipway;
    const before = (await cloud.control.report()).created;
    await cloud.control.addFault({ operation: 'create', kind: 'drop-answer-after-work' });
    const { refId, ...request } = requestFor(slipway);
    await client.provision({ refId, ...request });
    await client.waitFor(refId, 'ready');
    expect(await cloud.control.report()).toMatchObject({ created: before + 1, running: 1, doubled: 0 });
    await client.terminate(refId);
    await client.waitFor(refId, 'terminated');
    await expect.poll(() => keys(slipway), { timeout: 10_000 }).toEqual([]);
  });

  it('never makes the provider refuse for rate, with eight at once', async () => {
    const { client, cloud } = slipway;
    const requests = Array.from({ length: 8 }, () => requestFor(slipway));
    await Promise.all(requests.map((request) => client.provision(request)));
    await Promise.all(requests.map(({ refId }) => client.waitFor(refId, 'ready')));
    await Promise.all(requests.map(({ refId }) => client.terminate(refId)));
    await Promise.all(requests.map(({ refId }) => client.waitFor(refId, 'terminated')));
    await expect.poll(() => keys(slipway), { timeout: 20_000 }).toEqual([]);
    expect(await cloud.control.report()).toMatchObject({ running: 0, doubled: 0 });
    const { byEndpoint } = await cloud.control.calls();
    const refused = Object.entries(byEndpoint).filter(([, statuses]) => statuses[429] !== undefined);
    expect(refused).toEqual([]);
  });

  it.skipIf(!wire.isHere)('spoke with it as the vendor’s document says', () => {
    expect(wire.faults()).toEqual([]);
    expect(wire.seen().length).toBeGreaterThan(6);
  });
});

/** A new account lets in SSH alone. */
async function openAccount(slipway: TestSlipway): Promise<void> {
  const rule = { protocol: 'all', port_range: [1, 65_535], source_network: '0.0.0.0/0', description: '' };
  await call(slipway, 'PUT', '/firewall-rules', { data: [rule] });
}

/** Asked behind the API's back: a look of the test's must not count against the account's rate. */
async function keys({ cloud }: TestSlipway): Promise<unknown[]> {
  const [shelf] = await cloud.control.shelves();
  return (shelf?.holds as { keys?: unknown[] } | undefined)?.keys ?? [];
}

async function call(slipway: TestSlipway, method: string, path: string, body?: unknown): Promise<{ data: unknown }> {
  const response = await fetch(`${slipway.cloud.url}/lambda-labs/api/v1${path}`, {
    method,
    headers: { authorization: 'Bearer sim-key', 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return (await response.json()) as { data: unknown };
}
