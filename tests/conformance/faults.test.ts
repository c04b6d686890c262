import { describe, expect, it, vi } from 'vitest';
import { conformance } from '../../src/cli/conformance/command.js';
import { CHECKS } from '../../src/conformance/index.js';
import { QUICK } from '../adapters/conformance.js';
import { accountWith } from './account.js';
import { brokenSsh, FAULTS } from './faults.js';

it('there is a fault for every check, and none for a check that is not there', () => {
  expect(Object.keys(FAULTS).sort()).toEqual(CHECKS.map(({ id }) => id).sort());
});

describe('slipway conformance exits 1 and names', () => {
  it.each(Object.entries(FAULTS).map(([id, fault]) => [id, fault.broken, fault] as const))(
    '%s, when the adapter %s',
    async (id, _broken, fault) => {
      const { account, cloud } = await accountWith(fault);
      const said = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
      vi.spyOn(process.stderr, 'write').mockReturnValue(true);
      const code = await conformance(
        'sim-main',
        {
          only: [id, ...(fault.after ?? [])],
          location: 'us-west-1',
          instanceType: fault.type ?? 'gpu_1x_a10',
          yes: true,
        },
        {
          account,
          timing: { ...QUICK, ...fault.timing },
          ...(fault.inside && { ssh: brokenSsh(fault.inside) }),
          asked: new Promise(() => undefined),
        },
      );
      const text = said.mock.calls.map(([chunk]) => String(chunk)).join('');
      vi.restoreAllMocks();
      expect(text).toMatch(new RegExp(`^${id.replace('.', '\\.')} +failed`, 'm'));
      expect(code).toBe(1);
      // A fault in telling what there is may leave a machine; the one that is broken is named above.
      const live = (await cloud.control.ledger()).filter(({ isLive }) => isLive);
      expect(live).toEqual([]);
    },
    120_000,
  );
});
