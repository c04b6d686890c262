import { LIFECYCLE_STATUS } from '../../domain/instance/index.js';
import { type Offer, offerId } from '../../domain/placement/offer.js';
import type { AttemptTable, InstanceTable, MachineTable } from '../store/tables.js';
import type { AttemptFact } from './attempts.js';
import type { Life } from './life.js';
import type { MachineFact } from './machines.js';

/** What the read models store of one instance. */
export interface Rows {
  instance: InstanceTable;
  attempts: AttemptTable[];
  machines: MachineTable[];
}

export function toRows(life: Life): Rows {
  return {
    instance: toInstanceRow(life),
    attempts: life.attempts.map((attempt) => toAttemptRow(life.refId, attempt)),
    machines: life.machines.map((machine) => toMachineRow(life.refId, machine)),
  };
}

export function toInstanceRow(life: Life): InstanceTable {
  const { state } = life;
  const { phase, failure } = state;
  // Who looks up an instance that is over wants to know what it was.
  const last = phase === 'terminated' ? life.machines.findLast(({ attempt }) => attempt > 0) : undefined;
  const machine = state.machine ?? last;
  const price = machine?.pricePerHour;
  return {
    refId: life.refId,
    name: plain(state.request.name),
    phase,
    lifecycleStatus: LIFECYCLE_STATUS[phase],
    desired: state.desired,
    provider: machine?.provider ?? '',
    ...place(machine?.offer ?? state.attempts.at(-1)?.offer),
    cloudId: machine?.cloudId ?? '',
    priceAmount: price?.amount ?? '',
    priceCurrency: price?.currency ?? '',
    failureKind: failure?.kind ?? '',
    failureMessage: plain(failure?.message ?? ''),
    debts: state.debts.length,
    since: state.since,
    createdAt: life.createdAt,
    updatedAt: life.updatedAt,
    readyAt: life.readyAt ?? '',
    terminatedAt: life.terminatedAt ?? '',
    seq: life.seq,
    fault: plain(life.fault ?? ''),
  };
}

export function toAttemptRow(refId: string, attempt: AttemptFact): AttemptTable {
  return {
    refId,
    attempt: attempt.attempt,
    ...place(attempt.offer),
    outcome: attempt.outcome,
    kind: attempt.kind ?? '',
    evidence: plain(attempt.evidence),
    cloudId: attempt.cloudId ?? '',
    remembered: attempt.remembered ? 1 : 0,
    at: attempt.at,
    endedAt: attempt.endedAt ?? '',
    tookMs: attempt.tookMs ?? null,
  };
}

export function toMachineRow(refId: string, machine: MachineFact): MachineTable {
  return {
    refId,
    cloudId: machine.cloudId,
    attempt: machine.attempt,
    ...place(machine.offer),
    provider: machine.provider,
    adopted: machine.adopted ? 1 : 0,
    priceAmount: machine.pricePerHour?.amount ?? '',
    priceCurrency: machine.pricePerHour?.currency ?? '',
    createdAt: machine.createdAt,
    runningMs: machine.runningMs ?? null,
    readyMs: machine.readyMs ?? null,
    goneAt: machine.goneAt ?? '',
    goneBy: machine.goneBy ?? '',
  };
}

type Place = Pick<InstanceTable, 'offerId' | 'cloudCredRefId' | 'location' | 'subLocation' | 'instanceType'>;

function place(offer: Offer | undefined): Place {
  if (!offer) return { offerId: '', cloudCredRefId: '', location: '', subLocation: '', instanceType: '' };
  const { cloudCredRefId, location, subLocation = '', instanceType } = offer;
  return { offerId: offerId(offer), cloudCredRefId, location, subLocation, instanceType };
}

const LONGEST = 1_000;
const NUL = String.fromCharCode(0);
const HALF_PAIR = /\p{Surrogate}/gu;

/** A vendor's words, as both databases store text alike: no NUL, no half of a surrogate pair, not without end. */
export function plain(text: string): string {
  return text.slice(0, LONGEST).replaceAll(NUL, '\ufffd').replace(HALF_PAIR, '\ufffd');
}
