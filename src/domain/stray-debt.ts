import type { CloudId, RefId } from './ids.js';
import type { Debt } from './instance/index.js';

/**
 * A machine that arrived when its instance was over, that is being ended, and that is not proved gone. No instance is left
 * to tell of it: its account's watch does.
 */
export type StrayDebt = Debt & { refId: RefId };

/** Plain JSON, for it travels. */
export type StrayDebts = Record<CloudId, StrayDebt>;

/** A watcher that lost its memory meets a machine anew: it has been owed since it was first met. */
export function oweStray(debts: StrayDebts, debt: StrayDebt): void {
  const { since } = debts[debt.cloudId] ?? debt;
  debts[debt.cloudId] = { ...debt, since };
}
