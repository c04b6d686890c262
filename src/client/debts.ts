import type { CloudId, IsoTime, RefId } from '../domain/ids.js';
import { toEpochMs } from '../domain/ids.js';
import type { Debt, InstanceView } from '../domain/instance/index.js';
import { costOver, type Money } from '../domain/money.js';
import { type Offer, offerId } from '../domain/placement/offer.js';
import type { StrayDebts } from '../domain/stray-debt.js';
import { SlipwayError } from './errors.js';
import type { ListFilter } from './instances.js';

export type DebtFilter = Omit<ListFilter, 'cleanupDebt'>;

/** Something of ours that may bill and is not proved gone. */
export interface CleanupDebt {
  /** Its instance may be over: a machine can arrive after that. */
  refId: RefId;
  cloudId: CloudId;
  /** `stray`: arrived late. `undeleted`: deleting it failed for longer than the policy allows. */
  cause: Debt['cause'];
  since: IsoTime;
  offer: Offer;
  offerId: string;
  /** Absent where the provider told no price. */
  pricePerHour?: Money;
  /** Since it became a debt, at that price. */
  costSoFar?: Money;
  /** The last refusal, in words. */
  reason?: string;
}

export function debtsOf(view: InstanceView, now: number): CleanupDebt[] {
  return view.cleanupDebt.map((debt) => toCleanupDebt(view.refId, debt, now));
}

/** Those that no instance tells of any more, of one account. */
export function strayDebtsOf(debts: StrayDebts, filter: DebtFilter, now: number): CleanupDebt[] {
  return Object.values(debts)
    .filter(({ offer: { location, instanceType } }) => {
      return location === (filter.location ?? location) && instanceType === (filter.instanceType ?? instanceType);
    })
    .map((debt) => toCleanupDebt(debt.refId, debt, now));
}

/** One who may owe, and the answer. */
interface Asked {
  whose: string;
  told: Promise<CleanupDebt[]>;
}

/**
 * All answers as one list, oldest first.
 * @throws {SlipwayError} Unreachable when some give none: it names them, and has the list of the others.
 */
export async function tellDebts(asked: readonly Asked[]): Promise<CleanupDebt[]> {
  const answers = await Promise.allSettled(asked.map(({ told }) => told));
  const debts = answers
    .flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    .sort((a, b) => (a.since < b.since ? -1 : 1));
  const refusals = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as unknown] : []));
  const [bug] = refusals.filter((reason) => !(reason instanceof SlipwayError) || reason.kind !== 'Unreachable');
  if (bug) throw bug;
  if (refusals.length === 0) return debts;
  const silent = asked.filter((_, index) => answers[index]?.status === 'rejected').map(({ whose }) => whose);
  const message =
    `No worker answered in time for ${silent.length} of ${asked.length}: ${silent.join(', ')}. ` +
    'What they owe is not in the list. Is a worker running on their task queue (slipway worker)?';
  throw new SlipwayError('Unreachable', message, { debts }, refusals[0]);
}

/** Does the filter ask for something that only an instance has? */
export function isOfInstances({ phase, provider, errorKind }: DebtFilter): boolean {
  return [phase, provider, errorKind].some((condition) => condition !== undefined);
}

function toCleanupDebt(refId: RefId, debt: Debt, now: number): CleanupDebt {
  const { cloudId, cause, since, offer, pricePerHour, failure } = debt;
  return {
    refId,
    cloudId,
    cause,
    since,
    offer,
    offerId: offerId(offer),
    ...(pricePerHour && { pricePerHour, costSoFar: costOver(pricePerHour, Math.max(0, now - toEpochMs(since))) }),
    ...(failure && { reason: `${failure.kind}: ${failure.message}` }),
  };
}
