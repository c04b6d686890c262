import { afterEach } from 'vitest';
import { type Account, accountOf } from '../../src/conformance/index.js';
import { type Simcloud, startSimcloud } from '../../src/simcloud/index.js';
import { API_KEY } from '../adapters/clouds.js';
import { SOLD_OUT } from '../adapters/conformance.js';
import { broken, type Fault } from './faults.js';

const open: Simcloud[] = [];
afterEach(async () => {
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
