import { beforeAll, describe, expect, it } from 'vitest';
import { accountOf, CHECKS, type ConformanceReport, runConformance } from '../../src/conformance/index.js';
import { startSimcloud } from '../../src/simcloud/index.js';
import { API_KEY } from './clouds.js';
import type { AdapterHarness } from './contract.js';

/** Sold out in the clouds below, so that a refusal can be seen; no dearer than what is rented. */
export const SOLD_OUT = { location: 'us-east-1', instanceType: 'gpu_1x_a10' };

/** What a simulated cloud needs, at the longest. The machine that runs the tests may be busy. */
export const QUICK = {
  runningMs: 60_000,
  sshMs: 60_000,
  stoppedMs: 60_000,
  startedMs: 60_000,
  rebootedMs: 60_000,
  goneMs: 60_000,
  sideResourcesMs: 60_000,
};

/**
 * The suite that providers run (`slipway conformance`), on this adapter against its dialect: one test for each check.
 * What an adapter need not prove is known beforehand: a check that is skipped for any other reason has failed.
 */
export function describeConformance(harness: AdapterHarness): void {
  describe('conformance', () => {
    let report: ConformanceReport;
    const leftBehind: string[] = [];

    beforeAll(async () => {
      const cloud = await startSimcloud({ accounts: [{ apiKey: API_KEY, name: 'default' }], ...harness.simcloud });
      try {
        await cloud.control.setStock({ ...SOLD_OUT, count: 0 });
        await harness.prepare?.(cloud, API_KEY);
        const credential = harness.credential(cloud, { pollIntervalMs: 50, listingLagMs: 0 });
        const { location, instanceType } = harness.place;
        report = await runConformance({
          account: accountOf(credential, { fetch: harness.fetch }),
          checks: CHECKS,
          wanted: { location, instanceType },
          timing: QUICK,
        });
        const ledger = await cloud.control.ledger();
        leftBehind.push(...ledger.filter(({ isLive }) => isLive).map(({ id }) => id));
      } finally {
        await cloud.stop();
      }
    }, 300_000);

    it.each(CHECKS.map(({ id, title, can }) => [id, title, can] as const))('%s: %s', (id, _title, can) => {
      const { status, evidence } = report.checks.find((one) => one.id === id) ?? {};
      const isUnproved = (can !== undefined && harness.lacks.includes(can)) || harness.unproved?.includes(id);
      // The evidence beside it, so that a failure says what was seen.
      expect({ status, evidence }).toEqual({ status: isUnproved ? 'skipped' : 'passed', evidence });
    });

    it('ends whatever it made, by the cloud’s own ledger', () => {
      expect(report.left).toEqual([]);
      expect(leftBehind).toEqual([]);
    });
  });
}
