import { afterEach, vi } from 'vitest';
import { conformance } from '../../src/cli/conformance/command.js';
import { type Account, accountOf, type Timing } from '../../src/conformance/index.js';
import { type Simcloud, startSimcloud } from '../../src/simcloud/index.js';
import { API_KEY } from '../adapters/clouds.js';
import { QUICK, SOLD_OUT } from '../adapters/conformance.js';
import { broken, type Fault } from './faults.js';

const open: Simcloud[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(open.splice(0).map((cloud) => cloud.stop()));
});

/** An account in a cloud of its own, through the sim adapter with this fault. */
export async function accountWith({
  adapter,
  machines,
}: Pick<Fault, 'adapter' | 'machines'>): Promise<{ account: Account; cloud: Simcloud }> {
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

/** What is rented. */
export const PLACE = { location: 'us-west-1', instanceType: 'gpu_1x_a10' };

/** Runs these checks, or groups. @returns the exit code and what was printed. */
export async function run(account: Account, only: string, timing: Partial<Timing> = {}) {
  const said = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  said.mockClear(); // of an earlier run in the same test
  const options = { ...PLACE, only: only.split(','), yes: true };
  const deps = { account, timing: { ...QUICK, ...timing }, asked: new Promise(() => undefined) };
  const code = await conformance('sim-main', options, deps);
  return { code, text: said.mock.calls.map(([chunk]) => String(chunk)).join('') };
}
