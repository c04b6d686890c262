import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FirewallRules } from '../../src/domain/firewall.js';
import type { InstanceRequestInput } from '../../src/domain/instance/index.js';
import { billableActions, historyOf } from '../support/history.js';
import { begin, endAndProve, type Life, type OwnFault } from '../support/lives.js';
import { credentialNamed, offerAt, openSlipway, type TestSlipway } from '../support/slipway.js';

const firewall = (kind: OwnFault['kind'], more: Partial<OwnFault> = {}): OwnFault => ({
  operation: 'create',
  kind,
  ...more,
});

function rules(...ingress: (number | [port: number, range: string])[]): FirewallRules {
  const ingressRules = ingress.map((one) => {
    const [port, range] = Array.isArray(one) ? one : [one];
    return { fromPort: port, toPort: port, ipRanges: range ? [range] : [] };
  });
  return { ingressRules, egressRules: [] };
}

let slipway: TestSlipway;
beforeAll(async () => {
  // `bare` has no firewall per machine.
  slipway = await openSlipway({ others: { bare: { without: ['modify-firewall'] } } });
});
afterAll(async () => await slipway?.close());

async function evidenceOf(life: Life): Promise<string> {
  return (await life.event('InstanceReady')).evidence;
}

describe.concurrent('the firewall of a machine that was never handed over', () => {
  const offers = () => [offerAt(slipway), offerAt(slipway, 'us-east-1')];

  it('is proved before anybody gets the machine: what is allowed answers, what is not does not', async () => {
    const life = await begin(slipway, { firewallRules: rules(8_080, [8_081, '127.0.0.0/8'], [8_082, '10.0.0.0/8']) });
    expect(await life.until('ready')).toMatchObject({ firewallApplied: true });
    const evidence = await evidenceOf(life);
    expect(evidence).toContain('port 8080 (rule 8080) answers from outside');
    expect(evidence).toContain('port 8081 (rule 8081 from 127.0.0.0/8) answers from outside');
    expect(evidence).toContain('not proved: rule 8082 from 10.0.0.0/8');
    expect(evidence).toContain('port 9999 (no rule) answers inside and not from outside');
    await endAndProve(slipway, life);
  });

  it.each([
    ['leaks', 'firewall-leaks', /port 9999 \(no rule\) answers/],
    ['shut', 'firewall-shut', /port 8080 \(rule 8080\) answers inside and not from outside/],
  ] as const)('that %s sends the machine away, and the next offer follows', async (finding, fault, evidence) => {
    const policy = { runningToSsh: '2s' };
    const life = await begin(slipway, { offers: offers(), policy, firewallRules: rules(8_080) }, firewall(fault));
    const ready = await life.until('ready');
    const [first] = ready.attempts;
    expect(first?.failure).toMatchObject({ kind: 'FirewallUnverified', providerCode: finding });
    expect(first?.failure?.message).toMatch(evidence);
    expect(ready.offer?.location).toBe('us-east-1');
    expect(await life.types()).toContain('FirewallFailed');
    expect((await life.live()).map(({ id }) => id)).toEqual([ready.cloudId]);
    await endAndProve(slipway, life);
  });

  const applications = async ({ refId }: Life) =>
    (await historyOf(slipway.temporal, refId)).filter(({ activityType }) => activityType === 'applyFirewall').length;

  it('needs no call where the listing shows that the machine came with its rules', async () => {
    const life = await begin(slipway, { firewallRules: rules(8_080) });
    expect(await life.until('ready')).toMatchObject({ firewallApplied: true });
    expect(await applications(life)).toBe(0);
    expect(await evidenceOf(life)).toContain('port 8080 (rule 8080) answers from outside');
    await endAndProve(slipway, life);
  });

  it('is applied where it came without them', async () => {
    const life = await begin(slipway, { firewallRules: rules(8_080) }, firewall('loses-rules'));
    await life.until('ready');
    expect(await applications(life)).toBe(1);
    expect(await evidenceOf(life)).toContain('port 8080 (rule 8080) answers from outside');
    await endAndProve(slipway, life);
  });

  it('may take its time to hold', async () => {
    const life = await begin(slipway, {}, firewall('firewall-leaks', { delayMs: 2_000 }));
    expect((await life.until('ready')).attempts).toHaveLength(1);
    expect(await evidenceOf(life)).toContain('not from outside');
    await endAndProve(slipway, life);
  });

  it('is not looked at when policy says so', async () => {
    const life = await begin(slipway, { policy: { verifyFirewall: false } }, firewall('firewall-leaks'));
    await life.until('ready');
    expect(await evidenceOf(life)).not.toContain('outside');
    await endAndProve(slipway, life);
  });

  it('is not looked at where the machine has none of ours, unless policy says so', async () => {
    const offer = { ...offerAt(slipway), cloudCredRefId: credentialNamed(slipway, 'bare') };
    const trusting = await begin(slipway, { offers: [offer] }, firewall('firewall-leaks'));
    await trusting.until('ready');
    const policy: InstanceRequestInput['policy'] = { verifyFirewall: true, runningToSsh: '2s', maxOffers: 1 };
    const strict = await begin(slipway, { offers: [offer], policy }, firewall('firewall-leaks'));
    expect((await strict.until('parked')).failure).toMatchObject({ kind: 'FirewallUnverified' });
    for (const life of [trusting, strict]) await endAndProve(slipway, life);
  });
});

describe.concurrent('the firewall of a machine that is in use', () => {
  async function ready(firewallRules: FirewallRules, ...faults: OwnFault[]) {
    const life = await begin(slipway, { firewallRules, policy: { runningToSsh: '3s' } }, ...faults);
    await life.until('ready');
    return {
      life,
      set: (wanted: FirewallRules) => slipway.client.setFirewallRules(life.refId, { firewallRules: wanted }),
    };
  }

  async function settled<T extends 'ChangeApplied' | 'ChangeRefused'>(life: Life, type: T) {
    await life.seen(type);
    return await life.event(type);
  }

  it('is changed and proved again, for no more than two activities', async () => {
    const { life, set } = await ready(rules(8_080));
    const before = billableActions(await historyOf(slipway.temporal, life.refId));
    await set(rules(8_443));
    await settled(life, 'ChangeApplied');
    const view = await life.until('ready');
    expect(view).toMatchObject({ firewallApplied: true, firewallRules: rules(8_443) });
    const scheduled = (await historyOf(slipway.temporal, life.refId)).map(({ activityType }) => activityType);
    expect(scheduled.filter(Boolean).slice(-2)).toEqual(['applyFirewall', 'verifyFirewall']);
    expect(billableActions(await historyOf(slipway.temporal, life.refId)) - before).toBeLessThanOrEqual(4);
    await endAndProve(slipway, life);
  });

  it('that did not take the change is said to have refused it, rule by rule; the machine stays', async () => {
    const { life, set } = await ready(rules(8_080, 8_090), firewall('firewall-stuck'));
    await set(rules(8_090, 8_443));
    const { failure } = await settled(life, 'ChangeRefused');
    expect(failure).toMatchObject({ kind: 'FirewallUnverified', providerCode: 'leaks' });
    expect(failure.message).toContain('port 8080 (rule 8080, taken away) answers');
    expect(failure.message).toContain('port 8443 (rule 8443) answers inside and not from outside (refused)');
    expect(failure.message).toContain('as it should be: port 8090 (rule 8090) answers from outside');
    const view = await life.until('ready');
    expect(view).toMatchObject({ firewallApplied: false, firewallRules: rules(8_080, 8_090) });

    await set(rules(8_080, 8_090)); // puts the old ones back
    await settled(life, 'ChangeApplied');
    expect(await life.until('ready')).toMatchObject({ firewallApplied: true });
    await endAndProve(slipway, life);
  });

  it('is proved again after a start, also that what was taken away meanwhile is gone', async () => {
    const { life, set } = await ready(rules(8_080), firewall('firewall-stuck'));
    const cloudId = (await life.until('ready')).cloudId ?? '';
    await slipway.client.stop(life.refId);
    await life.until('stopped');
    await set(rules());
    await slipway.client.start(life.refId);
    const parked = await life.until('parked');
    expect(parked).toMatchObject({ cloudId, failure: { kind: 'FirewallUnverified', providerCode: 'leaks' } });
    expect(parked.failure?.message).toContain('port 8080 (rule 8080, taken away) answers');
    expect((await life.live()).map(({ id }) => id)).toEqual([cloudId]);
    await endAndProve(slipway, life);
  });
});

describe.concurrent('the GPUs of a machine', () => {
  it('are those that policy expects, in whatever spelling', async () => {
    const life = await begin(slipway, { policy: { expectGpus: { count: 1, name: 'nvidia a10' } } });
    await life.until('ready');
    expect(await evidenceOf(life)).toContain('1 GPUs ("NVIDIA A10")');
    await endAndProve(slipway, life);
  });

  it.each([
    ['too few', { count: 8 }],
    ['others', { count: 1, name: 'A100' }],
  ])('that are %s send the machine away', async (_what, expectGpus) => {
    const life = await begin(slipway, { policy: { expectGpus } });
    expect((await life.until('parked')).failure).toMatchObject({
      kind: 'SshUnreachable',
      providerCode: 'command-failed',
    });
    expect(await life.live()).toEqual([]);
    await endAndProve(slipway, life);
  });
});
