import type { Logger } from 'pino';
import type { CloudCredRefId, OfferId } from '../../domain/ids.js';
import { offerId } from '../../domain/placement/offer.js';
import type { InstanceType, Provider } from '../../domain/provider.js';
import { toFact } from '../failure.js';
import type { RefusalMemory } from '../refusals.js';
import type { Watchfulness } from '../types.js';

/** What the watches of one account know of its stock. */
export interface StockMemory {
  /** Epoch ms. */
  dueAt: number;
  /** Something stood refused at the last look. */
  isNeeded: boolean;
  /** Offers that stand refused, and that the catalog has shown as not available since. */
  soldOut: Set<OfferId>;
}

export const newStockMemory = (): StockMemory => ({ dueAt: 0, isNeeded: false, soldOut: new Set() });

export interface StockLookOptions {
  provider: Provider;
  refusals: RefusalMemory;
  logger: Logger;
  /** Between two looks, in ms. */
  intervalMs: number;
}

/**
 * Looks for stock in the provider's catalog while offers of the account stand refused. Only a change tells: what was
 * refused and is shown as available all the while is no news, for a catalog may lag, or not know. (0028)
 */
export class StockLook {
  private hasAsked = false;

  constructor(
    private readonly options: StockLookOptions,
    private readonly memory: StockMemory,
  ) {}

  get isNeeded(): boolean {
    return this.memory.isNeeded;
  }

  /**
   * Begins a look if one is due; no listing waits for it. What stands refused is asked of the account's list: a settled
   * watch asks once when it begins, and goes on only if there is something, since the first refusal wakes it.
   */
  beginIfDue(watchfulness: Watchfulness, signal: AbortSignal): void {
    const { provider, intervalMs } = this.options;
    if (provider.stock === 'untold' || watchfulness === 'sweep' || Date.now() < this.memory.dueAt) return;
    if (watchfulness === 'settled' && this.hasAsked && !this.isNeeded) return;
    this.hasAsked = true;
    const dueAt = Date.now() + intervalMs;
    this.memory.dueAt = Number.POSITIVE_INFINITY; // one at a time
    void this.look(signal).finally(() => {
      this.memory.dueAt = dueAt;
    });
  }

  /** Never throws. */
  private async look(signal: AbortSignal): Promise<void> {
    const { provider, refusals, logger } = this.options;
    const { cloudCredRefId } = provider;
    const { soldOut } = this.memory;
    try {
      const refused = await refusals.standing(cloudCredRefId);
      this.memory.isNeeded = refused.length > 0;
      for (const offer of soldOut) if (!refused.includes(offer)) soldOut.delete(offer);
      if (refused.length === 0) return;
      const inStock = offersOf(cloudCredRefId, await provider.listInstanceTypes(signal));
      for (const offer of refused) {
        if (!inStock.has(offer)) soldOut.add(offer);
        else if (soldOut.delete(offer)) await refusals.shown(cloudCredRefId, offer);
      }
    } catch (error) {
      logger.debug(
        { cloudCredRefId, failure: toFact(error) },
        'The catalog was not looked at; it will be at the next turn',
      );
    }
  }
}

/** What is available, also as an offer that leaves the sub-location to the provider. */
function offersOf(cloudCredRefId: CloudCredRefId, types: readonly InstanceType[]): Set<OfferId> {
  const available = types.filter(({ isAvailable }) => isAvailable);
  return new Set(
    available.flatMap(({ location, subLocation, instanceType }) => [
      offerId({ cloudCredRefId, location, instanceType }),
      offerId({ cloudCredRefId, location, instanceType, ...(subLocation && { subLocation }) }),
    ]),
  );
}
