import { describe, expect, it } from 'vitest';
import {
  CorruptHistoryError,
  ENDED_LIMIT,
  evolve,
  fold,
  type InstanceEvent,
  type InstanceFact,
  PHASES,
  type Phase,
} from '../../src/domain/instance/index.js';
import { append, later, START, stamped, stateAfter } from '../support/given.js';
import { EVENTS } from './event-table.js';
import {
  attempted,
  created,
  debtOpened,
  failure,
  firewalled,
  LIVES,
  offerA,
  proof,
  ready,
  requested,
  running,
} from './stories.js';

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
      const next = { type: 'RebootRequested', requestId: 'x', at: START, seq: state.seq + by } as InstanceEvent;
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
    const applied = { kind: 'instanceType', requestId: 'x', instanceType: 'gpu_8x_h100' } as const;
    const state = stateAfter(...LIVES.stopped, { type: 'ChangeApplied', change: applied });
    expect(state.machine?.offer).toEqual({ ...offerA, instanceType: 'gpu_8x_h100' });
  });
});
