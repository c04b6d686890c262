import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { InstanceRequestInput } from '../../src/domain/instance/index.js';
import { makeKey } from '../ssh/servers.js';
import { answers } from '../support/netns.js';
import { netnsMissing } from '../support/netns-available.js';
import { credentialNamed, openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';

const why = netnsMissing ? ` (skipped: ${netnsMissing})` : '';

/** The engine, the worker and the probe, on hosts with OpenSSH's sshd and a real ufw. */
describe.skipIf(netnsMissing)(`an instance on a real host${why}`, () => {
  let slipway: TestSlipway;
  let stateDir: string;
  beforeAll(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'slipway-life-'));
    slipway = await openSlipway({ others: { box: { provider: 'netns', stateDir } } });
  });
  afterAll(async () => {
    await slipway?.close();
    if (stateDir) await rm(stateDir, { recursive: true });
  });

  async function ready(more: Partial<InstanceRequestInput> = {}) {
    const box = { cloudCredRefId: credentialNamed(slipway, 'box'), location: 'local', instanceType: 'netns' };
    const request = requestFor(slipway, { offers: [box], ...more });
    await slipway.client.provision(request);
    return { refId: request.refId, view: await slipway.client.waitFor(request.refId, 'ready', { timeoutMs: 60_000 }) };
  }
  const rules = (...ports: number[]) => ({
    ingressRules: ports.map((port) => ({ fromPort: port, toPort: port, ipRanges: [] })),
    egressRules: [],
  });
  async function readyEvidence(refId: string): Promise<string[]> {
    const { events } = await slipway.client.events(refId);
    return events.flatMap((event) => (event.type === 'InstanceReady' ? [event.evidence] : []));
  }

  it('goes its whole life: proved at each start, its firewall changed, and gone without a trace', async () => {
    const { client } = slipway;
    const { refId, view } = await ready({ firewallRules: rules(8_080) });
    expect(view).toMatchObject({ provider: 'netns', sshUser: 'root', firewallApplied: true });
    expect(view.address).toMatch(/^10\.231\./);

    await client.stop(refId);
    await client.waitFor(refId, 'stopped');
    await client.start(refId);
    const again = await client.waitFor(refId, 'ready', { timeoutMs: 60_000 });
    expect(again.hostKey).toBe(view.hostKey);
    const evidence = await readyEvidence(refId);
    expect(evidence).toHaveLength(2);
    for (const one of evidence) {
      expect(one).toContain('port 8080 (rule 8080) answers from outside');
      expect(one).toContain('port 9999 (no rule) answers inside and not from outside (silent)');
    }

    await client.setFirewallRules(refId, { firewallRules: rules(8_443) });
    await expect.poll(async () => (await client.describe(refId)).pendingChanges, { timeout: 30_000 }).toEqual([]);
    const changed = await client.describe(refId);
    expect(changed).toMatchObject({ phase: 'ready', firewallApplied: true, firewallRules: rules(8_443) });
    expect(changed.failure).toBeUndefined();

    await client.terminate(refId);
    await client.waitFor(refId, 'terminated', { timeoutMs: 60_000 });
    await expect(readFile(join(stateDir, 'hosts', view.cloudId ?? '', 'machine.json'))).rejects.toThrow('ENOENT');
    expect(await answers(view.address ?? '', 22, 300)).toBe(false);
  });

  it('does not trust another host at its address after a stop and a start: parked, and kept', async () => {
    const { client } = slipway;
    const { refId, view } = await ready({ policy: { runningToSsh: '20s' } });
    await client.stop(refId);
    await client.waitFor(refId, 'stopped');
    const ssh = join(stateDir, 'hosts', view.cloudId ?? '', 'files/etc/ssh');
    await writeFile(join(ssh, 'slipway_host_key'), makeKey(), { mode: 0o600 });
    await client.start(refId);
    const parked = await client.waitFor(refId, 'parked', { timeoutMs: 60_000 });
    expect(parked).toMatchObject({
      cloudId: view.cloudId,
      hostKey: view.hostKey,
      failure: { kind: 'SshUnreachable', providerCode: 'wrong-host-key' },
    });
    expect(parked.failure?.message).toContain('nothing was sent to it');
    await client.terminate(refId);
    await client.waitFor(refId, 'terminated', { timeoutMs: 60_000 });
  });

  it('is not handed over when its own user data opens the firewall', async () => {
    const { client } = slipway;
    const box = { cloudCredRefId: credentialNamed(slipway, 'box'), location: 'local', instanceType: 'netns' };
    const userDataBase64 = Buffer.from('#!/bin/sh\nufw --force disable\n').toString('base64');
    const policy = { runningToSsh: '4s' };
    const request = requestFor(slipway, { offers: [box], userDataBase64, policy });
    await client.provision(request);
    const parked = await client.waitFor(request.refId, 'parked', { timeoutMs: 60_000 });
    expect(parked.failure).toMatchObject({ kind: 'FirewallUnverified', providerCode: 'leaks' });
    expect(parked.cloudId).toBeUndefined();
  });

  it('leaves no process of a host on this computer', async () => {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')));
    expect(folders.filter((folder) => folder.startsWith(stateDir))).toEqual([]);
  });
});
