import { afterEach, describe, expect, it, vi } from 'vitest';
import { conformance } from '../../src/cli/conformance/command.js';
import { type Account, accountOf, CHECKS } from '../../src/conformance/index.js';
import { type Simcloud, startSimcloud } from '../../src/simcloud/index.js';
import { API_KEY } from '../adapters/clouds.js';
import { QUICK, SOLD_OUT } from '../adapters/conformance.js';
import { broken, brokenSsh, FAULTS, type Fault } from './faults.js';

const open: Simcloud[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((cloud) => cloud.stop()));
});

/** An account in a cloud of its own, through the sim adapter with this fault. */
async function accountWith({ adapter, machines }: Fault): Promise<{ account: Account; cloud: Simcloud }> {
  const cloud = await startSimcloud({ accounts: [{ apiKey: API_KEY, name: 'default' }] });
  open.push(cloud);
  await cloud.control.setStock({ ...SOLD_OUT, count: 0 });
  if (machines) await cloud.control.addFault({ operation: 'create', kind: machines, times: 'always' });
  const good = accountOf({
    cloudCredRefId: 'sim-main',
    provider: 'sim',
    apiUrl: `${cloud.url}/sim/v1`,
    apiKey: API_KEY,
    pollIntervalMs: 50,
  });
  const account: Account = {
    ...good,
    open: (deps) => broken(good.open(deps), adapter?.(good.open(deps)) ?? {}),
    openStranger: () => {
      const stranger = good.openStranger?.() ?? good.open();
      return broken(stranger, adapter?.(stranger) ?? {});
    },
  };
  return { account, cloud };
}

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
