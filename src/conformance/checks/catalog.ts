import { sizesOf } from '../../domain/gpu/memory-sizes.js';
import { normaliseGpu } from '../../domain/gpu.js';
import { isMoney } from '../../domain/money.js';
import type { InstanceType } from '../../domain/provider.js';
import { isSize, toBytes } from '../../domain/size.js';
import { type Check, mustAllBe, mustBe, NotApplicable, someOf } from '../check.js';

export const CATALOG: readonly Check[] = [
  {
    id: 'locations',
    title: 'locations are listed, each once',
    run: async ({ provider, signal }) => {
      const locations = await provider.listLocations(signal);
      mustAllBe(
        [locations.length > 0, 'there is none'],
        [new Set(locations).size === locations.length, `some come twice: ${someOf(twice(locations))}`],
        [locations.every((name) => name.trim() !== ''), 'one has no name'],
      );
      return `${locations.length}: ${someOf(locations)}`;
    },
  },
  {
    id: 'types.listed',
    title: 'instance types are listed, each id once, something in stock',
    run: async (scene) => {
      const types = await scene.types();
      const ids = types.map(({ id }) => id);
      mustAllBe(
        [types.length > 0, 'there is none'],
        [new Set(ids).size === ids.length, `ids that come twice: ${someOf(twice(ids))}`],
        [ids.every((id) => id !== ''), 'an id is empty'],
        [types.length === 0 || types.some(({ isAvailable }) => isAvailable), 'nothing is in stock anywhere'],
      );
      return `${types.length} types, ${types.filter(({ isAvailable }) => isAvailable).length} in stock`;
    },
  },
  {
    id: 'types.stable',
    title: 'two syncs give the same ids with the same content, in the same order',
    run: async (scene) => {
      // Another client: what the first one remembers proves nothing.
      const [first, second] = [await scene.types(), await scene.another().listInstanceTypes(scene.signal)];
      const ids = (types: readonly InstanceType[]): string[] => types.map(({ id }) => id);
      const lost = ids(first).filter((id) => !ids(second).includes(id));
      const added = ids(second).filter((id) => !ids(first).includes(id));
      const before = new Map(first.map((type) => [type.id, content(type)]));
      const changed = second.filter((type) => before.has(type.id) && before.get(type.id) !== content(type));
      mustAllBe(
        [lost.length === 0, `gone in the second: ${someOf(lost)}`],
        [added.length === 0, `only in the second: ${someOf(added)}`],
        [changed.length === 0, `changed: ${someOf(ids(changed))}`],
        [ids(first).join() === ids(second).join() || lost.length + added.length > 0, 'the order is another'],
      );
      return `${first.length} ids, the same twice`;
    },
  },
  {
    id: 'types.located',
    title: 'every type is sold at a location that is listed',
    run: async (scene) => {
      const locations = await scene.provider.listLocations(scene.signal);
      const astray = (await scene.types()).filter(({ location }) => !locations.includes(location));
      mustBe(astray.length === 0, `not at a listed location: ${someOf(astray.map(({ id }) => id))}`);
      return `at ${new Set((await scene.types()).map(({ location }) => location)).size} locations`;
    },
  },
  {
    id: 'types.priced',
    title: 'every type has a price by the hour, in a currency, unless the vendor tells none',
    run: async (scene) => {
      const types = await scene.types();
      const areTold = scene.provider.prices !== 'credential';
      const priced = types.filter(({ pricePerHour }) => areTold || pricePerHour !== undefined);
      if (!areTold && priced.length === 0)
        throw new NotApplicable('the vendor tells no prices, and the credential has none');
      const odd = priced.filter(({ pricePerHour }) => !isMoney(pricePerHour));
      mustBe(odd.length === 0, `without a price: ${someOf(odd.map(({ id }) => id))}`);
      return areTold
        ? `${types.length} prices`
        : `${priced.length} prices of ${types.length}, as the credential has them`;
    },
  },
  {
    id: 'types.gpus',
    title: 'GPUs are named and counted, their memory is that of one',
    run: async (scene) => {
      const types = await scene.types();
      const idsOf = (isOdd: (gpu: Gpu) => boolean) => types.filter(({ gpus }) => gpus.some(isOdd)).map(({ id }) => id);
      const [odd, sums] = [idsOf((gpu) => !isPlausible(gpu)), idsOf(isSumOfAll)];
      mustAllBe(
        [odd.length === 0, `unnamed, uncounted, or with a memory that is no size: ${someOf(odd)}`],
        [sums.length === 0, `with the memory of all their GPUs for that of one: ${someOf(sums)}`],
      );
      const names = [...new Set(types.flatMap(({ gpus }) => gpus.map(({ name }) => name)))].sort();
      const unread = names.filter((name) => normaliseGpu(name).name === undefined);
      const note = unread.length > 0 ? `; not known to Slipway: ${someOf(unread)}` : '';
      return names.length > 0 ? `${someOf(names, 12)}${note}` : 'no GPUs are sold';
    },
  },
];

type Gpu = InstanceType['gpus'][number];

function isPlausible({ name, count, memoryPerGpu }: Gpu): boolean {
  const isMemory = memoryPerGpu === undefined || isSize(memoryPerGpu);
  return name.trim() !== '' && Number.isInteger(count) && count > 0 && isMemory;
}

/** GB and GiB are mixed up everywhere. */
const TOLERANCE = 0.08;

/** No such GPU has that much, and it is what several have together. */
function isSumOfAll({ name, count, memoryPerGpu }: Gpu): boolean {
  if (count < 2 || !isSize(memoryPerGpu)) return false;
  const sizes = sizesOf(normaliseGpu(name).name ?? '');
  const isSold = (bytes: number): boolean => sizes.some((gb) => Math.abs(bytes / 1e9 - gb) <= gb * TOLERANCE);
  return !isSold(toBytes(memoryPerGpu)) && isSold(toBytes(memoryPerGpu) / count);
}

/** Prices and stock move; the rest is what callers store. */
function content({ pricePerHour: _price, isAvailable: _stock, ...type }: InstanceType): string {
  return JSON.stringify(Object.entries(type).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function twice(items: readonly string[]): string[] {
  return [...new Set(items.filter((item, index) => items.indexOf(item) !== index))];
}
