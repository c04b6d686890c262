import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { probeSsh, publicKeyOf } from '../../src/activities/ssh-probe.js';
import { createProviders, getProvider } from '../../src/adapters/registry.js';
import { NO_RULES } from '../../src/domain/firewall.js';
import { attemptKey } from '../../src/domain/ids.js';
import type { CloudInstance, CreateInstanceAttrs, CreateOutcome, Provider } from '../../src/domain/provider.js';
import { makeKey } from '../ssh/servers.js';
import { answers } from '../support/netns.js';
import { netnsMissing } from '../support/netns-available.js';

const why = netnsMissing ? ` (skipped: ${netnsMissing})` : '';
const calm = new AbortController().signal;

/** The promises of tests/adapters/contract.ts, as far as they are not about HTTP, on hosts of this computer. */
describe.skipIf(netnsMissing)(`the netns adapter${why}`, () => {
  let stateDir: string;
  let provider: Provider;
  let key: string;
  beforeAll(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'slipway-netns-'));
    provider = open();
    key = makeKey();
  });
  afterAll(async () => {
    for (const { cloudId, location } of (await provider?.listInstances(calm)) ?? []) {
      await provider.terminateInstance(cloudId, location, calm);
    }
    if (stateDir) await rm(stateDir, { recursive: true });
  });

  /** As another worker process would. */
  function open(cloudCredRefId = 'box'): Provider {
    const credentials = [{ cloudCredRefId, provider: 'netns', stateDir }];
    return getProvider(createProviders({ credentials }), cloudCredRefId);
  }
  function attrs(refId: string, change: Partial<CreateInstanceAttrs> = {}): CreateInstanceAttrs {
    return {
      refId,
      cloudCredRefId: 'box',
      attemptKey: attemptKey(refId, 1),
      name: `name-of-${refId}`,
      location: 'local',
      instanceType: 'netns',
      publicKeys: [publicKeyOf(key)],
      tags: { team: 'a' },
      firewallRules: NO_RULES,
      ...change,
    };
  }
  async function running(refId: string, change: Partial<CreateInstanceAttrs> = {}): Promise<CloudInstance> {
    const { cloudId } = existing(await provider.createInstance(attrs(refId, change), calm)).instance;
    return await until(cloudId, 'running');
  }
  async function until(cloudId: string, status: CloudInstance['status']): Promise<CloudInstance> {
    const get = () => provider.getInstance(cloudId, 'local', calm);
    await expect.poll(async () => (await get()).status, { timeout: 30_000, interval: 50 }).toBe(status);
    return await get();
  }
  const probe = (host: string, pinnedHostKey?: string) =>
    probeSsh({ host, port: 22, user: 'root', privateKey: key, pinnedHostKey }, { timeoutMs: 5_000 });

  it('makes a host once, however often it is asked, and by whichever worker', async () => {
    const [first, again] = await Promise.all([
      provider.createInstance(attrs('once'), calm),
      open().createInstance(attrs('once'), calm),
    ]);
    const later = await provider.createInstance(attrs('once', { attemptKey: attemptKey('once', 2) }), calm);
    const ids = [first, again, later].map((outcome) => existing(outcome).instance.cloudId);
    expect(new Set(ids).size).toBe(1);
    expect(existing(later).adopted).toBe(true);
    expect(existing(first).instance).toMatchObject({ refId: 'once', cloudCredRefId: 'box', tags: { team: 'a' } });
    const instance = await until(ids[0] ?? '', 'running');
    expect(await provider.listInstances(calm)).toContainEqual(instance);
    expect(await open('another').listInstances(calm)).toEqual([]);
  });

  it('lives on without the worker that made it, with the same host key after a stop and a start, and a reboot', async () => {
    const { cloudId, publicAddress = '' } = await running('life');
    const first = await probe(publicAddress);
    expect(first).toMatchObject({ ok: true });
    const pinned = first.ok ? first.hostKey : '';

    const other = open();
    await other.stopInstance(cloudId, 'local', calm);
    await other.stopInstance(cloudId, 'local', calm);
    await until(cloudId, 'stopped');
    expect(await probe(publicAddress)).toMatchObject({ ok: false });
    await other.startInstance(cloudId, 'local', calm);
    await other.startInstance(cloudId, 'local', calm);
    const { publicAddress: next = '' } = await until(cloudId, 'running');
    expect(await probe(next, pinned)).toMatchObject({ ok: true, hostKey: pinned });

    await other.rebootInstance(cloudId, 'local', calm);
    await other.rebootInstance(cloudId, 'local', calm);
    await expect.poll(async () => (await probe(next, pinned)).ok, { timeout: 20_000 }).toBe(true);
    await until(cloudId, 'running');
  });

  it('runs the user data once, before it lets anybody in, and keeps what it wrote', async () => {
    const script = '#!/bin/sh\nset -e\necho "$(hostname)" >>/root/made; sleep 0.2; echo done >>/root/made\n';
    const userDataBase64 = Buffer.from(script).toString('base64');
    const { cloudId, publicAddress = '' } = await running('data', { userDataBase64 });
    const isDone = { timeoutMs: 5_000, commands: [`[ "$(cat /root/made | tr '\\n' ' ')" = "${cloudId} done " ]`] };
    const target = { host: publicAddress, port: 22, user: 'root', privateKey: key };
    expect(await probeSsh(target, isDone)).toMatchObject({ ok: true });
    await provider.stopInstance(cloudId, 'local', calm);
    await until(cloudId, 'stopped');
    await provider.startInstance(cloudId, 'local', calm);
    await until(cloudId, 'running');
    expect(await probeSsh(target, isDone)).toMatchObject({ ok: true });
  });

  it('opens and closes the difference of firewall rules, and is never open in between', async () => {
    const rule = (port: number) => ({ fromPort: port, toPort: port, ipRanges: [] });
    const { cloudId, publicAddress = '' } = await running('wall', {
      firewallRules: { ...NO_RULES, ingressRules: [rule(8_080)] },
    });
    const listen = `for port in 8080 8443 9999; do (nohup perl -MSocket -e 'socket(S,2,1,6);setsockopt(S,1,2,pack("l",1));bind(S,sockaddr_in($ARGV[0],INADDR_ANY));listen(S,9);while(accept(C,S)){syswrite(C,"hello");close C}' $port >/dev/null 2>&1 </dev/null &); done`;
    const target = { host: publicAddress, port: 22, user: 'root', privateKey: key };
    expect(await probeSsh(target, { timeoutMs: 5_000, commands: [listen] })).toMatchObject({ ok: true });
    await expect.poll(() => answers(publicAddress, 8_080, 300)).toBe(true);

    let changed = false;
    const change = provider
      .setFirewallRules(cloudId, 'local', { ...NO_RULES, ingressRules: [rule(8_443)] }, calm)
      .finally(() => {
        changed = true;
      });
    const leaks: boolean[] = [];
    while (!changed) leaks.push(await answers(publicAddress, 9_999, 100));
    await change;
    expect(leaks.length).toBeGreaterThan(0);
    expect(leaks).not.toContain(true);
    expect(await answers(publicAddress, 8_443)).toBe(true);
    expect(await answers(publicAddress, 8_080, 500)).toBe(false);
  });

  it('closes what a change left that failed, port by port as it was opened', async () => {
    const rules = (...ports: number[]) => ({
      ...NO_RULES,
      ingressRules: ports.map((port) => ({ fromPort: port, toPort: port, ipRanges: [] })),
    });
    const { cloudId, publicAddress = '' } = await running('torn', { firewallRules: rules(8_080) });
    const target = { host: publicAddress, port: 22, user: 'root', privateKey: key };
    const onHost = async (command: string): Promise<void> => {
      expect(await probeSsh(target, { timeoutMs: 10_000, commands: [command] })).toMatchObject({ ok: true });
    };
    await onHost(
      `printf '#!/bin/sh\ncase "$*" in *8090*) exit 1;; esac\nexec /usr/sbin/ufw "$@"\n' >/usr/local/sbin/ufw; chmod 0755 /usr/local/sbin/ufw`,
    );
    const torn = provider.setFirewallRules(cloudId, 'local', rules(8_080, 8_082, 8_090), calm);
    await expect(torn).rejects.toThrow('Done: open 8082. Not done: open 8090');
    await onHost('rm /usr/local/sbin/ufw');
    // 8081 touches both its neighbours: normal form would be one range, which ufw was never given.
    await provider.setFirewallRules(cloudId, 'local', rules(8_081), calm);
    await onHost(`test "$(ufw show added | grep -c 808)" = 1 && ufw show added | grep -q 'allow 8081$'`);
  });

  it('keeps our identity when its tags are replaced', async () => {
    const { cloudId, refId } = await running('tags');
    await provider.updateTags(cloudId, 'local', { team: 'b' }, calm);
    expect(await provider.getInstance(cloudId, 'local', calm)).toMatchObject({ refId, tags: { team: 'b' } });
  });

  it('leaves nothing when it is terminated, also when it is asked twice; an id nobody knows is done', async () => {
    const { cloudId } = await running('end');
    const [once, twice] = [provider, open()].map((one) => one.terminateInstance(cloudId, 'local', calm));
    await Promise.all([once, twice]);
    await provider.terminateInstance(cloudId, 'local', calm);
    await expect(provider.getInstance(cloudId, 'local', calm)).rejects.toMatchObject({ kind: 'InstanceNotFound' });
    expect(await readdir(join(stateDir, 'hosts'))).not.toContain(cloudId);
    const unknown = provider.getInstance('../hosts', 'local', calm);
    await expect(unknown).rejects.toMatchObject({ kind: 'InstanceNotFound' });
  });

  it.each<[string, Partial<CreateInstanceAttrs>, string]>([
    ['an image', { imageId: 'ubuntu' }, 'NotSupported'],
    ['a disk', { diskSize: { value: 1, unit: 'GiB' } }, 'NotSupported'],
    ['another type', { instanceType: 'gpu_8x_h100' }, 'InvalidRequest'],
    ['a cloud-config', { userDataBase64: Buffer.from('#cloud-config\n').toString('base64') }, 'InvalidRequest'],
  ])('refuses %s by name, and makes nothing', async (_what, change, kind) => {
    expect(await provider.createInstance(attrs('refused', change), calm)).toMatchObject({
      outcome: 'refused',
      failure: { kind },
    });
    expect((await provider.listInstances(calm)).map(({ refId }) => refId)).not.toContain('refused');
  });

  it('sells one type at one place, with a price', async () => {
    const [type] = await provider.listInstanceTypes(calm);
    expect(type).toMatchObject({ id: 'local-noSub-netns', isAvailable: true, pricePerHour: { amount: '0' } });
    expect(await provider.listLocations(calm)).toEqual(['local']);
  });
});

function existing(outcome: CreateOutcome): Extract<CreateOutcome, { outcome: 'exists' }> {
  if (outcome.outcome !== 'exists') throw new Error(`not created: ${JSON.stringify(outcome)}`);
  return outcome;
}
