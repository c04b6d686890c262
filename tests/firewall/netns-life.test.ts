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

/** What most vendors are: the firewall comes with the machine, and nobody but the machine can change it. */
describe.skipIf(netnsMissing)(`an instance whose firewall stands on the machine${why}`, () => {
  let slipway: TestSlipway;
  let stateDir: string;
  beforeAll(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'slipway-host-'));
    slipway = await openSlipway({ others: { box: { provider: 'netns', stateDir, firewall: 'host' } } });
  });
  afterAll(async () => {
    await slipway?.close();
    if (stateDir) await rm(stateDir, { recursive: true });
  });

  const rules = (...ports: number[]) => ({
    ingressRules: ports.map((port) => ({ fromPort: port, toPort: port, ipRanges: [] })),
    egressRules: [],
  });
  const script = (...lines: string[]): string => Buffer.from(`#!/bin/sh\n${lines.join('\n')}\n`).toString('base64');
  async function begin(more: Partial<InstanceRequestInput>) {
    const box = { cloudCredRefId: credentialNamed(slipway, 'box'), location: 'local', instanceType: 'netns' };
    const request = requestFor(slipway, { offers: [box], ...more });
    await slipway.client.provision(request);
    return request.refId;
  }
  const ready = (refId: string) => slipway.client.waitFor(refId, 'ready', { timeoutMs: 60_000 });
  async function set(refId: string, ...ports: number[]) {
    await slipway.client.setFirewallRules(refId, { firewallRules: rules(...ports) });
    await expect
      .poll(async () => (await slipway.client.describe(refId)).pendingChanges, { timeout: 60_000 })
      .toEqual([]);
    return await slipway.client.describe(refId);
  }
  async function end(refId: string): Promise<void> {
    await slipway.client.terminate(refId);
    await slipway.client.waitFor(refId, 'terminated', { timeoutMs: 60_000 });
  }

  it('has new rules in force before it is ready, when they came while it was made', async () => {
    const { client } = slipway;
    const refId = await begin({ firewallRules: rules(8_080), userDataBase64: script('sleep 4') });
    await client.waitFor(refId, 'pending', { timeoutMs: 30_000 });
    await client.setFirewallRules(refId, { firewallRules: rules(8_443) });
    const view = await ready(refId);
    expect(view).toMatchObject({ firewallApplied: true, firewallRules: rules(8_443), pendingChanges: [] });
    const { events } = await client.events(refId);
    const applied = events.flatMap((event) => (event.type === 'FirewallApplied' ? [event] : []));
    expect(applied).toMatchObject([
      { strategy: 'host', rules: rules(8_080) },
      { strategy: 'host', rules: rules(8_443) },
    ]);
    const evidence = events.flatMap((event) => (event.type === 'InstanceReady' ? [event.evidence] : [])).join();
    expect(evidence).toContain('the firewall on the machine was changed: open 8443; close 8080');
    expect(evidence).toContain('port 8443 (rule 8443) answers from outside');
    expect(evidence).toContain('port 8080 (rule 8080, taken away) answers inside and not from outside (silent)');
    await end(refId);
  });

  it('is changed over SSH while it is in use, also when stopped in between, and proved each time', async () => {
    const { client } = slipway;
    const refId = await begin({ firewallRules: rules(8_080) });
    expect((await ready(refId)).firewallApplied).toBe(true);
    expect(await set(refId, 8_443)).toMatchObject({ phase: 'ready', firewallApplied: true });
    const { events } = await client.events(refId);
    expect(events.at(-1)).toMatchObject({ type: 'ChangeApplied', change: { kind: 'firewall', rules: rules(8_443) } });

    await client.stop(refId);
    await client.waitFor(refId, 'stopped');
    await client.setFirewallRules(refId, { firewallRules: rules(8_444) });
    await client.start(refId);
    expect(await ready(refId)).toMatchObject({ firewallApplied: true, pendingChanges: [] });
    const last = (await client.events(refId)).events.at(-1);
    expect(last).toMatchObject({ type: 'InstanceReady' });
    expect(last?.type === 'InstanceReady' && last.evidence).toContain(
      'the firewall on the machine was changed: open 8444; close 8443',
    );
    await end(refId);
  });

  it('says exactly what a change did that failed in the middle, and is whole again after the next', async () => {
    const broken = [
      `printf '#!/bin/sh\\ncase "$*" in *8446*) exit 1;; esac\\nexec /usr/sbin/ufw "$@"\\n' >/usr/local/sbin/ufw`,
      'chmod 0755 /usr/local/sbin/ufw',
    ];
    const refId = await begin({ firewallRules: rules(8_080), userDataBase64: script(...broken) });
    await ready(refId);
    const refused = await set(refId, 8_443, 8_446);
    expect(refused).toMatchObject({
      phase: 'ready',
      firewallApplied: false,
      firewallRules: rules(8_080),
      failure: { kind: 'FirewallUnverified', providerCode: 'not-applied' },
    });
    expect(refused.failure?.message).toContain('Done: open 8443. Not done: open 8446; close 8080;');
    const mended = await set(refId, 8_080);
    expect(mended).toMatchObject({ phase: 'ready', firewallApplied: true, firewallRules: rules(8_080) });
    expect(await answers(mended.address ?? '', 8_443, 500)).toBe(false);
    await end(refId);
  });

  it('refuses rules that a firewall on a machine cannot have, before anything is changed', async () => {
    const refId = await begin({});
    await ready(refId);
    const ports = Array.from({ length: 257 }, (_, index) => 2 * index + 10_000);
    const refusal = slipway.client.setFirewallRules(refId, { firewallRules: rules(...ports) });
    await expect(refusal).rejects.toMatchObject({ kind: 'InvalidRequest' });
    expect(await slipway.client.describe(refId)).toMatchObject({ phase: 'ready', pendingChanges: [] });
    await end(refId);
  });
});
