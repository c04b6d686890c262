import { describe, expect, it } from 'vitest';
import {
  CorruptHistoryError,
  ENDED_LIMIT,
  evolve,
  fold,
  type InstanceEvent,
  type InstanceEventType,
  type InstanceFact,
  PHASES,
  type Phase,
} from '../../src/domain/instance/index.js';
import { append, later, START, stamped, stateAfter } from '../support/given.js';
import {
  attempted,
  created,
  debtOpened,
  failure,
  firewalled,
  LIVES,
  machineFailed,
  offerA,
  parkedFor,
  proof,
  ready,
  requested,
  running,
  strayFound,
} from './stories.js';

const rules = { ingressRules: [], egressRules: [] };
const requestId = 'x';
const refused = { attempt: 1, failure: failure('Internal') };
const change = { kind: 'tags', requestId, tags: {} } as const;

const alive = [
  'pending',
  'firewalling',
  'connecting',
  'ready',
  'stopping',
  'stopped',
  'starting',
  'rebooting',
] as const;
const any = PHASES.filter((phase) => phase !== 'terminated');
const nowhere: Phase[] = [];

/** Every event type: an example, and the phases in which it can have happened. */
const EVENTS: { [Type in InstanceEventType]: [Extract<InstanceFact, { type: Type }>, readonly Phase[]] } = {
  InstanceRequested: [requested() as Extract<InstanceFact, { type: 'InstanceRequested' }>, nowhere],
  CreateAttempted: [attempted() as Extract<InstanceFact, { type: 'CreateAttempted' }>, ['placing']],
  CapacityAwaited: [{ type: 'CapacityAwaited', until: START }, ['placing']],
  CapacityRefused: [{ type: 'CapacityRefused', ...refused }, ['creating']],
  QuotaRefused: [{ type: 'QuotaRefused', ...refused }, ['creating']],
  CredentialRefused: [{ type: 'CredentialRefused', ...refused }, ['creating']],
  ProviderUnavailable: [{ type: 'ProviderUnavailable', ...refused }, ['creating']],
  OfferRejected: [{ type: 'OfferRejected', ...refused }, ['creating']],
  RequestRejected: [{ type: 'RequestRejected', ...refused }, ['creating']],
  CreateOutcomeUnknown: [{ type: 'CreateOutcomeUnknown', ...refused }, ['creating']],
  CreateConfirmedAbsent: [{ type: 'CreateConfirmedAbsent', attempt: 1, evidence: 'x' }, ['creating']],
  InstanceCreated: [created(), ['creating']],
  InstanceRunning: [running() as Extract<InstanceFact, { type: 'InstanceRunning' }>, ['pending']],
  FirewallApplied: [firewalled() as Extract<InstanceFact, { type: 'FirewallApplied' }>, any],
  InstanceReady: [ready() as Extract<InstanceFact, { type: 'InstanceReady' }>, ['connecting']],
  WaitTimedOut: [{ type: 'WaitTimedOut', waitingFor: 'x', failure: failure('WaitTimeout') }, alive],
  MachineFailed: [machineFailed() as Extract<InstanceFact, { type: 'MachineFailed' }>, alive],
  MachineVanished: [{ type: 'MachineVanished', failure: failure('InstanceFailed') }, alive],
  FirewallFailed: [{ type: 'FirewallFailed', failure: failure('Internal') }, ['firewalling']],
  SshFailed: [{ type: 'SshFailed', failure: failure('SshUnreachable') }, ['connecting']],
  StopRefused: [{ type: 'StopRefused', failure: failure('Internal') }, ['stopping']],
  StartRefused: [{ type: 'StartRefused', failure: failure('Internal') }, ['starting']],
  RebootRefused: [{ type: 'RebootRefused', failure: failure('Internal') }, ['rebooting']],
  MachineDiscarded: [{ type: 'MachineDiscarded', cloudId: 'm-1', proof: proof() }, ['discarding']],
  InstanceParked: [parkedFor() as Extract<InstanceFact, { type: 'InstanceParked' }>, ['placing']],
  InstanceStopping: [{ type: 'InstanceStopping' }, ['ready', 'pending', 'firewalling', 'connecting', 'parked']],
  InstanceStopped: [{ type: 'InstanceStopped' }, ['stopping']],
  InstanceStarting: [{ type: 'InstanceStarting' }, ['stopped']],
  StartAccepted: [{ type: 'StartAccepted' }, ['starting']],
  InstanceRebooting: [{ type: 'InstanceRebooting' }, ['ready']],
  RebootAccepted: [{ type: 'RebootAccepted' }, ['rebooting']],
  StoppedOutside: [{ type: 'StoppedOutside', status: 'stopped' }, ['ready']],
  StartedOutside: [{ type: 'StartedOutside' }, ['stopped']],
  TerminationBegan: [{ type: 'TerminationBegan', cloudId: 'm-1' }, [...alive, 'discarding']],
  InstanceTerminated: [{ type: 'InstanceTerminated', proof: proof() }, any],
  CleanupDebtOpened: [debtOpened() as Extract<InstanceFact, { type: 'CleanupDebtOpened' }>, any],
  CleanupDebtClosed: [{ type: 'CleanupDebtClosed', cloudId: 'm-1', proof: proof() }, PHASES],
  StrayFound: [strayFound() as Extract<InstanceFact, { type: 'StrayFound' }>, PHASES],
  StrayEnded: [{ type: 'StrayEnded', cloudId: 'm-9', proof: proof() }, PHASES],
  StopRequested: [{ type: 'StopRequested', requestId }, any],
  StartRequested: [{ type: 'StartRequested', requestId }, any],
  RebootRequested: [{ type: 'RebootRequested', requestId }, any],
  TerminateRequested: [{ type: 'TerminateRequested', requestId }, any],
  RetryRequested: [{ type: 'RetryRequested', requestId }, any],
  DebtReleased: [{ type: 'DebtReleased', cloudId: 'm-1', reason: 'x', requestId }, PHASES],
  FirewallChangeRequested: [{ type: 'FirewallChangeRequested', rules, requestId }, any],
  TagsChangeRequested: [{ type: 'TagsChangeRequested', tags: {}, requestId }, any],
  TypeChangeRequested: [{ type: 'TypeChangeRequested', instanceType: 'x', requestId }, any],
  VolumeResizeRequested: [{ type: 'VolumeResizeRequested', size: { value: 1, unit: 'GiB' }, requestId }, any],
  ChangeApplied: [{ type: 'ChangeApplied', change }, any],
  ChangeRefused: [{ type: 'ChangeRefused', change, failure: failure('Internal') }, any],
};

const cells = Object.entries(EVENTS).flatMap(([type, [fact, phases]]) =>
  PHASES.map((phase) => ({ type, phase, fact, fits: (phases as readonly Phase[]).includes(phase) })),
);

function happens(phase: Phase, fact: InstanceFact): boolean {
  try {
    append(stateAfter(...LIVES[phase]), [fact], START);
    return true;
  } catch (error) {
    if (error instanceof CorruptHistoryError) return false;
    throw error;
  }
}

describe('every event in every phase: it has happened, or the history is corrupt', () => {
  it.each(cells)('$type in $phase: $fits', ({ phase, fact, fits }) => expect(happens(phase, fact)).toBe(fits));
});

describe('a history', () => {
  const events = stamped(LIVES.ready);

  it('begins with the request', () => {
    expect(() => fold([])).toThrow(CorruptHistoryError);
    expect(() => fold([{ ...attempted(), seq: 1, at: START }])).toThrow(CorruptHistoryError);
  });

  it.each([0, 1, -1, 2, Number.NaN])(
    'has no gap and no repeat: a seq that is off by %s is corrupt, unless by one',
    (by) => {
      const state = fold(events);
      const next = { type: 'RebootRequested', requestId, at: START, seq: state.seq + by } as InstanceEvent;
      if (by === 1) expect(evolve(state, next).seq).toBe(state.seq + 1);
      else expect(() => evolve(state, next)).toThrow(CorruptHistoryError);
    },
  );

  it('with an event type that a newer version wrote is refused, not guessed at', () => {
    const state = fold(events);
    const next = { type: 'TeleportRequested', seq: state.seq + 1, at: START } as unknown as InstanceEvent;
    expect(() => evolve(state, next)).toThrow(CorruptHistoryError);
  });

  it('lets no machine be ended that was never there', () => {
    const parked = stateAfter(...LIVES.parked);
    expect(() => append(parked, [{ type: 'TerminationBegan', cloudId: 'm-1' }], START)).toThrow(CorruptHistoryError);
  });

  it('keeps the newest machines that are gone, and no more', () => {
    let state = stateAfter(...LIVES.ready);
    for (let i = 0; i < ENDED_LIMIT + 5; i += 1) {
      state = append(state, [{ type: 'StrayEnded', cloudId: `s-${i}`, proof: proof() }], START);
    }
    expect(state.ended).toHaveLength(ENDED_LIMIT);
    expect(state.ended.at(-1)).toBe(`s-${ENDED_LIMIT + 4}`);
  });
});

describe('what a phase change keeps', () => {
  it('dates the phase from the event that led to it', () => {
    const state = stateAfter(...LIVES.pending);
    expect(state.since).toBe(later(START, 2_000));
    expect(append(state, [debtOpened()], later(START, 9_000)).since).toBe(later(START, 2_000));
  });

  it('keeps host key, address and price through a stop and start', () => {
    const before = stateAfter(...LIVES.ready).machine;
    const again = stateAfter(...LIVES.starting, { type: 'StartAccepted' }, running(), firewalled(), ready()).machine;
    expect(again).toEqual(before);
  });

  it('forgets which rules are in force with the machine they were on', () => {
    const state = stateAfter(
      ...LIVES.connecting,
      { type: 'SshFailed', failure: failure('SshUnreachable') },
      {
        type: 'MachineDiscarded',
        cloudId: 'm-1',
        proof: proof(),
      },
    );
    expect(state.appliedRules).toBeUndefined();
  });

  it('forgets the failure once it is ready again', () => {
    const state = stateAfter(
      ...LIVES.creating,
      { type: 'CapacityRefused', attempt: 1, failure: failure('InsufficientResources') },
      attempted(2),
      created({ attempt: 2 }),
      running(),
      firewalled(),
      ready(),
    );
    expect(state.failure).toBeUndefined();
    expect(state.attempts).toMatchObject([{ outcome: 'failed', offer: offerA }, { outcome: 'created' }]);
  });

  it('ends with the failure that led there, when one did', () => {
    const state = stateAfter(requested(), {
      type: 'InstanceTerminated',
      proof: proof('never-created'),
      failure: failure('OutOfQuota'),
    });
    expect(state).toMatchObject({ phase: 'terminated', failure: { kind: 'OutOfQuota' } });
  });

  it('applies a change of type to the machine’s own offer', () => {
    const applied = { kind: 'instanceType', requestId, instanceType: 'gpu_8x_h100' } as const;
    const state = stateAfter(...LIVES.stopped, { type: 'ChangeApplied', change: applied });
    expect(state.machine?.offer).toEqual({ ...offerA, instanceType: 'gpu_8x_h100' });
  });
});
