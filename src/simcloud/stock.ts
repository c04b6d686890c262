import { CloudError } from './errors.js';

export interface StockSetting {
  location: string;
  instanceType: string;
  /** How many more can be had; null: as many as anyone wants. */
  count: number | null;
}

export interface QuotaSetting {
  /** A location, or `*` for the whole account. */
  location: string;
  /** null: no limit. */
  maxInstances: number | null;
}

const slot = (location: string, instanceType: string): string => JSON.stringify([location, instanceType]);

/** What is free of each type at each location. A machine holds its share until it is stopped or terminated. */
export class Stock {
  readonly #free = new Map<string, number>();

  set({ location, instanceType, count }: StockSetting): void {
    if (count === null) this.#free.delete(slot(location, instanceType));
    else this.#free.set(slot(location, instanceType), count);
  }

  isAvailable(location: string, instanceType: string): boolean {
    return (this.#free.get(slot(location, instanceType)) ?? 1) > 0;
  }

  /** @throws {CloudError} `capacity.out_of_stock` */
  take(location: string, instanceType: string): void {
    if (!this.isAvailable(location, instanceType)) throw outOfStock(location, instanceType);
    this.#add(location, instanceType, -1);
  }

  giveBack(location: string, instanceType: string): void {
    this.#add(location, instanceType, 1);
  }

  settings(): StockSetting[] {
    return [...this.#free].map(([key, count]) => {
      const [location = '', instanceType = ''] = JSON.parse(key) as string[];
      return { location, instanceType, count };
    });
  }

  /** In place of all that was set. */
  restore(settings: StockSetting[]): void {
    this.#free.clear();
    for (const setting of settings) this.set(setting);
  }

  #add(location: string, instanceType: string, change: number): void {
    const free = this.#free.get(slot(location, instanceType));
    if (free !== undefined) this.#free.set(slot(location, instanceType), free + change);
  }
}

export function outOfStock(location: string, instanceType: string): CloudError {
  return new CloudError('capacity.out_of_stock', `no ${instanceType} is free at ${location} right now`);
}

/** How many machines each account may have, per location and in all. The limits are the same for every account. */
export class Quota {
  readonly #limits = new Map<string, number>();

  set({ location, maxInstances }: QuotaSetting): void {
    if (maxInstances === null) this.#limits.delete(location);
    else this.#limits.set(location, maxInstances);
  }

  limit(location: string): number | null {
    return this.#limits.get(location) ?? null;
  }

  /**
   * @param here How many machines the account has at the location; @param anywhere in all.
   * @throws {CloudError} `quota.exceeded`
   */
  check(location: string, here: number, anywhere: number): void {
    if (here >= (this.limit(location) ?? Number.POSITIVE_INFINITY)) throw outOfQuota(location);
    if (anywhere >= (this.limit('*') ?? Number.POSITIVE_INFINITY)) throw outOfQuota('*');
  }

  settings(): QuotaSetting[] {
    return [...this.#limits].map(([location, maxInstances]) => ({ location, maxInstances }));
  }

  /** In place of all that was set. */
  restore(settings: QuotaSetting[]): void {
    this.#limits.clear();
    for (const setting of settings) this.set(setting);
  }
}

export function outOfQuota(location: string): CloudError {
  return new CloudError('quota.exceeded', `your limit of instances is reached (${location})`);
}
