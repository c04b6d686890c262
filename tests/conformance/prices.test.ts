import { describe, expect, it } from 'vitest';
import type { InstanceType } from '../../src/domain/provider.js';
import { accountWith, run } from './account.js';

const pricesOf = async (price: (type: InstanceType) => InstanceType['pricePerHour'], prices?: 'credential') => {
  const { account } = await accountWith({
    adapter: (good) => ({
      ...(prices && { prices }),
      listInstanceTypes: async (signal) =>
        (await good.listInstanceTypes(signal)).map((type) => ({ ...type, pricePerHour: price(type) })),
    }),
  });
  const { code, text } = await run(account, 'types.priced');
  return [/^types\.priced +(\w+)/m.exec(text)?.[1], code];
};
const some = ({ pricePerHour, instanceType }: InstanceType) =>
  instanceType === 'gpu_1x_a10' ? pricePerHour : undefined;

describe('types.priced', () => {
  it('takes types without a price only where the vendor tells none', async () => {
    expect(await pricesOf(some)).toEqual(['failed', 1]);
    expect(await pricesOf(some, 'credential')).toEqual(['passed', 0]);
  });

  it('proves nothing where there is no price at all, and takes none that is no price', async () => {
    expect(await pricesOf(() => undefined, 'credential')).toEqual(['skipped', 0]);
    expect(await pricesOf(() => ({ amount: 'cheap', currency: 'USD' }), 'credential')).toEqual(['failed', 1]);
  });
});
