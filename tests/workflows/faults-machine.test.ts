import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { InstanceRequestInput } from '../../src/domain/instance/index.js';
import { begin, endAndProve, type Life, type OwnFault } from '../support/lives.js';
import { offerAt, openSlipway, type TestSlipway } from '../support/slipway.js';

const onCreate = (kind: OwnFault['kind'], more: Partial<OwnFault> = {}): OwnFault => ({
  operation: 'create',
  kind,
  ...more,
});

describe.concurrent('a machine that fails before anybody had it', () => {
  let slipway: TestSlipway;
  beforeAll(async () => {
    slipway = await openSlipway({ watchTiming: { settledIntervalMs: 300 } });
  });
  afterAll(async () => await slipway?.close());

  const FAILINGS: [OwnFault['kind'], string, Partial<OwnFault>, InstanceRequestInput['policy']][] = [
    ['boot-fails', 'InstanceFailed', {}, {}],
    ['boots-then-fails', 'InstanceFailed', { delayMs: 0 }, {}],
    ['vanishes', 'InstanceFailed', { delayMs: 100 }, {}],
    ['never-boots', 'WaitTimeout', {}, { pendingToRunning: '1s' }],
    ['ssh-silent', 'SshUnreachable', {}, { runningToSsh: '2s' }],
    ['ssh-refused', 'SshUnreachable', {}, { runningToSsh: '2s' }],
    ['ssh-resets', 'SshUnreachable', {}, { runningToSsh: '2s' }],
    ['ssh-refuses-key', 'SshUnreachable', {}, { runningToSsh: '2s' }],
    ['cloud-init-hangs', 'SshUnreachable', {}, { runningToSsh: '2s' }],
  ];

  it.each(FAILINGS)(
    'is proved gone before the next offer is tried (%s: %s)',
    async (kind, why, more, policy) => {
      const offers = [offerAt(slipway), offerAt(slipway, 'us-east-1')];
      const life = await begin(slipway, { offers, policy }, onCreate(kind, more));
      const ready = await life.until('ready', 60_000); // one that vanished before any listing is missed after 30 s
      expect(ready.attempts.map(({ failure, outcome }) => failure?.kind ?? outcome)).toEqual([why, 'created']);
      expect(ready.offer?.location).toBe('us-east-1');
      const discarded = await life.event('MachineDiscarded');
      expect(discarded.proof.by).toMatch(/not-found|terminated/);
      expect((await life.live()).map(({ id }) => id)).toEqual([ready.cloudId]);
      expect(await life.machines()).toHaveLength(2);
      const types = await life.types();
      expect(types.indexOf('MachineDiscarded')).toBeLessThan(types.lastIndexOf('CreateAttempted'));
      await endAndProve(slipway, life);
    },
    120_000,
  );

  it('is given up at the deadline that is shown, when its firewall cannot be applied', async () => {
    const firewallRules = { ingressRules: [{ fromPort: 8_080, toPort: 8_080, ipRanges: [] }] };
    const life = await begin(
      slipway,
      { firewallRules, policy: { runningToSsh: '2s' } },
      { operation: 'create', kind: 'loses-rules', times: 'always' },
      { operation: 'firewall', kind: 'error-500', times: 'always' },
    );
    await life.seen('FirewallFailed', 40_000);
    await endAndProve(slipway, life);
  });

  it('leaves a parked instance and no machine, when every offer fails so', async () => {
    const policy = { runningToSsh: '2s' };
    const offers = [offerAt(slipway), offerAt(slipway, 'us-east-1')];
    const life = await begin(slipway, { offers, policy }, onCreate('ssh-refuses-key', { times: 'always' }));
    const parked = await life.until('parked');
    expect(parked.failure).toMatchObject({ kind: 'SshUnreachable' });
    expect(await life.machines()).toHaveLength(2);
    expect(await life.live()).toEqual([]);
    await endAndProve(slipway, life);
  });
});

describe.concurrent('after the hand-over', () => {
  let slipway: TestSlipway;
  beforeAll(async () => {
    const timing = { startMs: 1_000 };
    slipway = await openSlipway({ simcloud: { timing }, watchTiming: { settledIntervalMs: 200 } });
  });
  afterAll(async () => await slipway?.close());

  async function ready(more: Partial<InstanceRequestInput> = {}, ...faults: OwnFault[]) {
    const life = await begin(slipway, more, ...faults);
    const view = await life.until('ready');
    return { life, view, cloudId: view.cloudId ?? '' };
  }

  async function stopped(...faults: OwnFault[]) {
    const made = await ready({}, ...faults);
    await slipway.client.stop(made.life.refId);
    await made.life.until('stopped');
    return made;
  }

  /** Parked with its machine: never replaced, and ended only when somebody says so. */
  async function expectKept(life: Life, cloudId: string, kind: string): Promise<void> {
    const parked = await life.until('parked');
    expect(parked).toMatchObject({ cloudId, failure: { kind } });
    expect((await life.live()).map(({ id }) => id)).toEqual([cloudId]);
    expect(await life.machines()).toHaveLength(1);
  }

  it('a machine that vanishes ends the instance, with the reason', async () => {
    const { life, cloudId } = await ready();
    await slipway.cloud.control.vanish(cloudId);
    const over = await life.until('terminated');
    expect(over.failure).toMatchObject({ kind: 'InstanceFailed' });
    expect(await life.types()).toContain('MachineVanished');
    expect(over.terminated?.by).toBe('not-found');
    expect(await life.machines()).toHaveLength(1);
  });

  it('a machine that vanishes while it is stopped ends the instance too', async () => {
    const { life, cloudId } = await stopped();
    await slipway.cloud.control.vanish(cloudId);
    expect(await life.until('terminated')).toMatchObject({ failure: { kind: 'InstanceFailed' } });
  });

  it('a machine that the provider stops is stopped, not lost, and starts again', async () => {
    const { life, view, cloudId } = await ready();
    await slipway.cloud.control.stop(cloudId);
    await life.until('stopped');
    expect(await life.event('StoppedOutside')).toMatchObject({ status: 'stopped' });
    await slipway.client.start(life.refId);
    expect(await life.until('ready')).toMatchObject({ cloudId, hostKey: view.hostKey });
    await endAndProve(slipway, life);
  });

  it('a machine that fails is parked and kept', async () => {
    const { life, cloudId } = await ready();
    await slipway.cloud.control.fail(cloudId, 'GPU fell off the bus');
    await expectKept(life, cloudId, 'InstanceFailed');
    expect((await life.until('parked')).failure?.message).toContain('GPU fell off the bus');
    await endAndProve(slipway, life);
  });

  it('a machine that fails while it starts is parked and kept', async () => {
    const { life, cloudId } = await stopped();
    await slipway.client.start(life.refId);
    await life.seen('StartAccepted');
    await slipway.cloud.control.fail(cloudId);
    await expectKept(life, cloudId, 'InstanceFailed');
    await endAndProve(slipway, life);
  });

  it('a start without stock leaves it stopped, with the reason and the next try, and is never replaced', async () => {
    const { life, cloudId } = await stopped({ operation: 'start', kind: 'out-of-stock' });
    await slipway.client.start(life.refId);
    await life.seen('StartRefused');
    const view = await life.until('stopped');
    expect(view).toMatchObject({ cloudId, desired: 'running', failure: { kind: 'InsufficientResources' } });
    expect(view.deadline, 'when it tries again').toBeDefined();
    await slipway.client.start(life.refId); // a person need not wait for it
    expect((await life.until('ready')).failure).toBeUndefined();
    expect(await life.machines()).toHaveLength(1);
    await endAndProve(slipway, life);
  });

  it('a start without stock is given up by a stop', async () => {
    const { life, cloudId } = await stopped({ operation: 'start', kind: 'out-of-stock', times: 'always' });
    await slipway.client.start(life.refId);
    await life.seen('StartRefused');
    await slipway.client.stop(life.refId);
    const view = await slipway.client.describe(life.refId);
    expect(view).toMatchObject({ cloudId, phase: 'stopped', desired: 'stopped' });
    expect(view.deadline).toBeUndefined();
    await endAndProve(slipway, life);
  });

  it('another host key after a stop and start is not trusted: parked, and kept', async () => {
    const made = await ready({ policy: { runningToSsh: '2s' } }, onCreate('ssh-new-host-key'));
    const { life, view, cloudId } = made;
    await slipway.client.stop(life.refId);
    await life.until('stopped');
    await slipway.client.start(life.refId);
    await expectKept(life, cloudId, 'SshUnreachable');
    const parked = await life.until('parked');
    expect(parked.failure?.providerCode).toBe('wrong-host-key');
    expect(parked.hostKey, 'the pinned key stays').toBe(view.hostKey);
    await endAndProve(slipway, life);
  });

  it('a kept machine is looked at soon after a retry, though the watcher has nothing new to tell of it', async () => {
    const { life, cloudId } = await ready({ policy: { runningToSsh: '1s' } }, onCreate('ssh-new-host-key'));
    const { refId } = life;
    await slipway.client.stop(refId);
    await life.until('stopped');
    await slipway.client.start(refId);
    await expectKept(life, cloudId, 'SshUnreachable');
    await slipway.client.retry(refId);
    const runs = async () => (await life.events()).filter(({ type }) => type === 'InstanceRunning');
    await vi.waitFor(async () => expect(await runs()).toHaveLength(3), { timeout: 10_000 });
    await expectKept(life, cloudId, 'SshUnreachable');
    await endAndProve(slipway, life);
  });

  it('a lost answer to stop, start and reboot changes nothing about where it ends', async () => {
    const { life, cloudId } = await ready();
    const { refId } = life;
    for (const operation of ['stop', 'start', 'reboot'] as const) {
      await life.fault({ operation, kind: 'drop-answer-after-work' });
    }
    await slipway.client.stop(refId);
    await life.until('stopped');
    await slipway.client.start(refId);
    await life.until('ready');
    const before = (await slipway.client.describe(refId)).seq;
    await slipway.client.reboot(refId);
    await vi.waitFor(async () => expect((await slipway.client.describe(refId)).seq).toBeGreaterThan(before + 3), {
      timeout: 20_000,
    });
    expect(await life.until('ready')).toMatchObject({ cloudId });
    expect(await life.machines()).toHaveLength(1);
    await endAndProve(slipway, life);
  });
});
