import type { Attempt, InstanceEvent, InstanceState } from '../../domain/instance/index.js';
import { type AttemptFact, because } from './attempts.js';
import type { MachineFact } from './machines.js';

/*
 * What the read models say of an instance whose facts were lost (`FactsLost`): its state tells how its attempts ended and
 * what it owns, not when each thing happened. What was known before stays where the state does not say otherwise.
 */

export function resumedAttempts(before: readonly AttemptFact[], { attempts }: InstanceState): readonly AttemptFact[] {
  const first = attempts[0]?.attempt ?? Number.POSITIVE_INFINITY;
  return [...before.filter(({ attempt }) => attempt < first), ...attempts.map(toFact)];
}

function toFact({ attempt, offer, at, outcome, failure, failedAt }: Attempt): AttemptFact {
  const made = outcome === 'failed' && failure?.operation !== 'createInstance';
  const refused = failure?.kind === 'UnknownOutcome' ? 'absent' : 'refused';
  return {
    attempt,
    offer,
    at,
    outcome: outcome !== 'failed' ? outcome : made ? 'failed' : refused,
    ...because(failure),
    remembered: failure?.isRemembered === true,
    ...(failedAt && { endedAt: failedAt, tookMs: Math.max(0, Date.parse(failedAt) - Date.parse(at)) }),
  };
}

export function resumedMachines(
  before: readonly MachineFact[],
  { at }: InstanceEvent,
  { machine, debts }: InstanceState,
): readonly MachineFact[] {
  const owned: MachineFact[] = debts.map(({ cloudId, offer, since, pricePerHour = offer.pricePerHour }) => {
    return { cloudId, attempt: 0, offer, provider: '', adopted: false, ...price(pricePerHour), createdAt: since };
  });
  if (machine) {
    const { cloudId, attempt, offer, provider, adopted, pricePerHour = offer.pricePerHour, createdAt } = machine;
    owned.unshift({ cloudId, attempt, offer, provider, adopted, ...price(pricePerHour), createdAt });
  }
  const isOwned = new Set(owned.map(({ cloudId }) => cloudId));
  const known = before.map((one) => {
    return one.goneAt || isOwned.has(one.cloudId) ? one : { ...one, goneAt: at, goneBy: 'not recorded' };
  });
  const isKnown = new Set(before.map(({ cloudId }) => cloudId));
  return [
    ...known,
    ...owned.filter(({ cloudId }, index) => {
      return !isKnown.has(cloudId) && owned.findIndex((one) => one.cloudId === cloudId) === index;
    }),
  ];
}

function price<T>(pricePerHour: T | undefined): { pricePerHour?: T } {
  return pricePerHour === undefined ? {} : { pricePerHour };
}
