import type { CloudInstance } from '../../domain/provider.js';
import { newStockMemory, type StockMemory } from './stock-look.js';
import type { StrayMemory } from './strays.js';

/** One of the account's machines, as the watcher remembers it between two listings. */
export interface Seen {
  refId: string;
  /** What its entity was last told, or knew by itself; absent: to be told, for it may be there no more. */
  told?: CloudInstance;
  absences: number;
  /** The number of the last listing that showed it. */
  listing?: number;
  /** A machine that was first seen booting: its entity has just created it, and needs no telling. Epoch ms. */
  untoldSince?: number;
}

/** What one account's watches know of each other's telling: each goes on where the one before it stopped. */
export interface Memory {
  seen: Map<string, Seen>;
  strays: StrayMemory;
  stock: StockMemory;
  /** Entities that count on a machine which no listing has shown yet: it may be gone since before our time. */
  unseen: Set<string>;
  /** When Temporal was last asked which instances there are, epoch ms. */
  ownersAskedAt: number;
  /** How many were compared. */
  listings: number;
  failures: number;
}

export const newMemory = (): Memory => ({
  seen: new Map(),
  strays: new Map(),
  stock: newStockMemory(),
  unseen: new Set(),
  ownersAskedAt: 0,
  listings: 0,
  failures: 0,
});
