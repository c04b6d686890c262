import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';

describe('one instance, its whole life', () => {
  let slipway: TestSlipway;
  beforeAll(async () => {
    slipway = await openSlipway();
  });
  afterAll(async () => await slipway?.close());

  it('goes from the request to ready, through stop, start and reboot with the same host key, and ends gone', async () => {
    const { client, cloud } = slipway;
    const request = requestFor(slipway);
    const { refId } = request;
    expect(await client.provision(request)).toMatchObject({ refId, started: true });
    const ready = await client.waitFor(refId, 'ready');
    expect(ready).toMatchObject({ lifecycleStatus: 'running', sshUser: 'ubuntu', firewallApplied: true });
    expect(ready.hostKey).toMatch(/^ssh-ed25519 /);

    expect(await client.stop(refId)).toMatchObject({ result: 'recorded' });
    await client.waitFor(refId, 'stopped');
    await client.start(refId);
    const again = await client.waitFor(refId, 'ready');
    expect(again.hostKey).toBe(ready.hostKey);

    await client.reboot(refId);
    await client.waitFor(refId, 'ready');
    const { events } = await client.events(refId);
    expect(events.map(({ type }) => type)).toEqual([
      'InstanceRequested',
      'CreateAttempted',
      'InstanceCreated',
      'InstanceRunning',
      'FirewallApplied',
      'InstanceReady',
      'StopRequested',
      'InstanceStopping',
      'InstanceStopped',
      'StartRequested',
      'InstanceStarting',
      'StartAccepted',
      'InstanceRunning',
      'FirewallApplied',
      'InstanceReady',
      'RebootRequested',
      'InstanceRebooting',
      'RebootAccepted',
      'InstanceRunning',
      'FirewallApplied',
      'InstanceReady',
    ]);

    await client.terminate(refId, { reason: 'done' });
    const over = await client.waitFor(refId, 'terminated');
    expect(over.terminated?.by).toMatch(/not-found|terminated/);
    expect(await client.terminate(refId)).toMatchObject({ result: 'already', phase: 'terminated' });
    const report = await cloud.control.report();
    expect(report).toMatchObject({ created: 1, running: 0, doubled: 0 });
  });
});
