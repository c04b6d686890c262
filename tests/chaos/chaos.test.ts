import { describe, expect, inject, it } from 'vitest';
import type { LedgerLine } from '../../src/simcloud/index.js';
import { DIALECTS } from '../support/dialects.js';
import { planChaos } from './plan.js';
import { findDoubled, runChaos } from './run.js';

/** Seeds that found a bug stay here for good, each with what it found. */
const SEEDS = ['one', 'two', 'three'];

describe('the chaos plan', () => {
  it('is the same for the same seed, and another for another', () => {
    const plan = planChaos('s', 50, 'sim');
    expect(planChaos('s', 50, 'sim')).toEqual(plan);
    expect(planChaos('t', 50, 'sim').instances).not.toEqual(plan.instances);
  });

  it('for a poorer provider leaves out the orders that it cannot obey, and nothing else', () => {
    const full = planChaos('s', 50, 'sim');
    const poor = planChaos('s', 50, 'sim', { capabilities: ['reboot-instance'], toType: (name) => `v_${name}` });
    const steps = poor.instances.flatMap((instance) => instance.steps);
    const kinds = new Set(steps.map(({ step }) => step));
    expect([...kinds].sort()).toEqual(['reboot', 'retry', 'settle', 'terminate', 'wait']);
    const kept = full.instances.flatMap((instance) => instance.steps).filter(({ step }) => kinds.has(step));
    expect(steps).toEqual(kept);
    expect(poor.instances[0]?.request.offers[0]?.instanceType).toMatch(/^v_/);
  });

  it('of more instances begins with the plan of fewer, but for when they start', () => {
    const requests = (count: number) =>
      planChaos('s', count, 'sim')
        .instances.slice(0, 10)
        .map(({ request }) => request);
    expect(requests(500)).toEqual(requests(10));
  });
});

describe('the verdict', () => {
  const line = (id: string, createdAt: number, liveUntil?: number, fault?: 'late-work') =>
    ({ id, createdAt, liveUntil, fault, tags: { refId: 'r' } }) as unknown as LedgerLine;

  it.each([
    ['two that live at once', [line('a', 1), line('b', 2)], ['b']],
    ['one after the other', [line('a', 1, 2), line('b', 2)], []],
    ['one that came late by the cloud’s fault', [line('a', 5, undefined, 'late-work'), line('b', 2)], []],
    ['two made in the same millisecond', [line('a', 1), line('b', 1)], ['b']],
  ])('on %s', (_what, ledger, doubled) => {
    expect(findDoubled(ledger).map(({ id }) => id)).toEqual(doubled);
  });
});

describe.each(SEEDS)('30 instances under chaos, seed %s', (seed) => {
  it('end with nothing doubled, leaked, lost or stuck', async () => {
    const report = await runChaos({ instances: 30, seed, cliPath: inject('temporalCli') });
    expect(report.details).toEqual([]);
    expect(report).toMatchObject({ doubled: 0, leaked: 0, lost: 0, stuck: 0, misjournaled: 0 });
    expect(report.kills.worker).toBeGreaterThan(0);
    expect(report.kills.temporal).toBeGreaterThan(0);
    expect(report.kills.journal).toBeGreaterThan(0);
  }, 900_000);
});

describe.each(Object.keys(DIALECTS).filter((provider) => provider !== 'sim'))(
  '12 instances at %s under chaos',
  (provider) => {
    it('end with nothing doubled, leaked, lost or stuck', async () => {
      const report = await runChaos({ provider, instances: 12, seed: 'vendor', cliPath: inject('temporalCli') });
      expect(report.details).toEqual([]);
      expect(report).toMatchObject({ doubled: 0, leaked: 0, lost: 0, stuck: 0, misjournaled: 0 });
    }, 900_000); // longer than its own patience, so that what is stuck is named
  },
);
