import { expect, it } from 'vitest';
import type { InstanceType } from '../../src/domain/provider.js';
import { accountWith, run } from './account.js';

it('asks for what is sold out only where it costs no more than what is rented: it may be back in stock', async () => {
  const claimSoldOut = (type: InstanceType): InstanceType => ({
    ...type,
    isAvailable: type.instanceType !== 'gpu_8x_h100_sxm5',
  });
  const { account, cloud } = await accountWith({
    adapter: (good) => ({
      listInstanceTypes: async (signal) => (await good.listInstanceTypes(signal)).map(claimSoldOut),
    }),
  });
  const { code, text } = await run(account, 'create.no-stock');
  expect(text).toMatch(/^create\.no-stock +skipped/m);
  expect(code).toBe(0);
  expect(await cloud.control.ledger()).toEqual([]);
});
