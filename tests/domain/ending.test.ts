import { describe, expect, it } from 'vitest';
import type { Finding } from '../../src/domain/instance/index.js';
import { type InstanceState, isStray } from '../../src/domain/instance/index.js';
import { type Ask, answer, append, given, START, stateAfter } from '../support/given.js';
import {
  cloudInstance,
  debtOpened,
  failure,
  LIVES,
  offerA,
  proof,
  requested,
  SITUATIONS,
  type Situation,
  seen,
  strayFound,
  TURNS,
} from './stories.js';

const gone: Finding = { type: 'RecordGone', cloudId: 'm-1', proof: proof() };
const play = (state: InstanceState, ...inputs: (Ask | Finding)[]) =>
  inputs.reduce((now, input) => append(now, answer(now, input, START), START), state);

describe('a machine that is proved gone', () => {
  it('ends the instance when that was wanted', () => {
    const state = given(...LIVES.terminating)
      .when(gone)
      .then({ type: 'InstanceTerminated', proof: { by: 'not-found' } });
    expect(state).toMatchObject({ phase: 'terminated', machine: undefined, ended: ['m-1'] });
  });

  it('makes room for the next offer when it had failed', () => {
    const state = given(...LIVES.discarding)
      .when(gone)
      .then({ type: 'MachineDiscarded', cloudId: 'm-1' });
    expect(state).toMatchObject({ phase: 'placing', machine: undefined, ended: ['m-1'] });
  });

  it.each(['discarding with a debt', 'terminating with a debt'] as const)(
    'closes the debt as well: %s',
    (situation) => {
      const state = given(...SITUATIONS[situation])
        .when(gone)
        .then(
          { type: 'CleanupDebtClosed', cloudId: 'm-1' },
          {
            type: situation === 'discarding with a debt' ? 'MachineDiscarded' : 'InstanceTerminated',
          },
        );
      expect(state.debts).toEqual([]);
    },
  );
});

describe('a machine that could not be deleted in time', () => {
  it.each(['discarding', 'terminating'] as const)('%s: is owed, with what it costs, and the phase stays', (phase) => {
    const state = given(...LIVES[phase])
      .when({ type: 'RecordDebt', failure: failure('NotYet') })
      .then({
        type: 'CleanupDebtOpened',
        cloudId: 'm-1',
        offer: offerA,
        failure: { kind: 'NotYet' },
        pricePerHour: { amount: '1.29', currency: 'USD' },
      });
    expect(state).toMatchObject({ phase, debts: [{ cloudId: 'm-1', cause: 'undeleted' }] });
  });

  it('is owed once', () =>
    given(...TURNS['terminating with a debt'])
      .when({ type: 'RecordDebt', failure: failure('NotYet') })
      .thenNothing());

  it('is not owed again after a person let it go', () => {
    const state = play(stateAfter(...TURNS['terminating with a debt']), { type: 'release', reason: 'x' });
    expect(answer(state, { type: 'RecordDebt', failure: failure('NotYet') }, START)).toEqual([]);
  });

  it('stays owed through a wish to end the instance', () => {
    const state = play(stateAfter(...TURNS['discarding with a debt']), { type: 'terminate' }, { type: 'Reconcile' });
    expect(state).toMatchObject({ phase: 'terminating', debts: [{ cloudId: 'm-1' }] });
  });
});

/** What `workflows/steps/ending.ts` does on its next turn, once the machine is among those let go. */
const releasedTurn = (state: InstanceState): InstanceState => {
  expect(state.ended).toContain('m-1');
  return play(state, { type: 'RecordGone', cloudId: 'm-1', proof: proof('released') });
};

describe('a debt that a person releases, all the way', () => {
  it('discarding: the next offer is tried, and nothing is owed', () => {
    const released = play(stateAfter(...TURNS['discarding with a debt']), {
      type: 'release',
      reason: 'vendor lost it',
    });
    expect(released).toMatchObject({ phase: 'discarding', debts: [], lastCommand: { type: 'DebtReleased' } });
    expect(answer(released, { type: 'Reconcile' }, START)).toEqual([]);
    const placing = releasedTurn(released);
    expect(placing).toMatchObject({ phase: 'placing', machine: undefined, ended: ['m-1'] });
    expect(play(placing, { type: 'PlaceNext' })).toMatchObject({ phase: 'creating', attempts: [{}, { attempt: 2 }] });
  });

  it('discarding, and the next create finds it alive: it is ours again, and ended like any other', () => {
    const released = play(stateAfter(...TURNS['discarding with a debt']), { type: 'release', reason: 'gone, I think' });
    const adopted = play(
      releasedTurn(released),
      { type: 'PlaceNext' },
      { type: 'RecordCreated', instance: cloudInstance(), provider: 'sim', adopted: true },
      { type: 'terminate', requestId: 'b' },
    );
    expect(adopted).toMatchObject({ machine: { cloudId: 'm-1' }, ended: [] });
    const [began] = answer(adopted, { type: 'Reconcile' }, START);
    expect(began).toMatchObject({ type: 'TerminationBegan', cloudId: 'm-1' });
    const terminating = play(adopted, { type: 'Reconcile' }, { type: 'RecordDebt', failure: failure('NotYet') });
    expect(terminating).toMatchObject({ phase: 'terminating', debts: [{ cloudId: 'm-1' }] });
  });

  it('terminating: the instance is over, on a person’s word', () => {
    const released = play(stateAfter(...TURNS['terminating with a debt']), {
      type: 'release',
      reason: 'vendor lost it',
    });
    expect(released).toMatchObject({ phase: 'terminating', debts: [] });
    expect(answer(released, { type: 'Reconcile' }, START)).toEqual([]);
    expect(releasedTurn(released)).toMatchObject({ phase: 'terminated', terminated: { by: 'released' }, debts: [] });
  });

  it('discarding, an end wanted at the same time: over at once', () => {
    const both = play(
      stateAfter(...TURNS['discarding with a debt']),
      { type: 'release', reason: 'x', requestId: 'a' },
      {
        type: 'terminate',
        requestId: 'b',
      },
    );
    expect(play(both, { type: 'Reconcile' })).toMatchObject({ phase: 'terminated', terminated: { by: 'released' } });
  });

  it('does not take the released machine for a stray when it is seen again', () => {
    const over = releasedTurn(play(stateAfter(...TURNS['terminating with a debt']), { type: 'release', reason: 'x' }));
    expect(isStray(over, seen('running', { offer: offerA }))).toBe(false);
  });

  it('leaves another debt open, and the machine where it is', () => {
    const state = play(stateAfter(...TURNS['terminating with a debt'], strayFound()), {
      type: 'release',
      reason: 'x',
      cloudId: 'm-9',
    });
    expect(state).toMatchObject({ phase: 'terminating', debts: [{ cloudId: 'm-1' }], machine: { cloudId: 'm-1' } });
  });
});

describe('a machine with our refId that is not ours to keep', () => {
  const late = (status: Parameters<typeof seen>[0] = 'running'): Finding => ({
    type: 'RecordStray',
    observation: seen(status, { cloudId: 'm-9', offer: offerA, attemptKey: 'ref-1-1' }),
  });
  // `placing`: nothing was tried yet, and the first create adopts what it finds.
  const mayBeOurs = new Set<Situation>(['placing', 'creating', 'creating, outcome unknown']);

  it.each(Object.keys(SITUATIONS) as Situation[])(
    '%s: is a stray, unless it may be the one being created',
    (situation) => {
      const known = situation === 'terminated with a stray';
      const facts = answer(stateAfter(...SITUATIONS[situation]), late(), START);
      const types = facts.map(({ type }) => type);
      expect(types).toEqual(mayBeOurs.has(situation) || known ? [] : ['StrayFound']);
    },
  );

  it.each(['absent', 'terminated', 'terminating'] as const)('is none when it is %s', (status) =>
    given(...LIVES.ready)
      .when(late(status))
      .thenNothing(),
  );

  it('is none when it is ours, owed, or known to be gone', () => {
    const own: Finding = { type: 'RecordStray', observation: seen('running', { offer: offerA }) };
    given(...LIVES.ready)
      .when(own)
      .thenNothing();
    given(...LIVES.discarding, debtOpened())
      .when(own)
      .thenNothing();
    given(...LIVES.terminated)
      .when(own)
      .thenNothing();
  });

  it('is owed until it is proved gone, also after the instance is over', () => {
    const owed = play(stateAfter(...LIVES.terminated), late());
    expect(owed).toMatchObject({ phase: 'terminated', debts: [{ cloudId: 'm-9', cause: 'stray' }] });
    const settled = play(owed, { type: 'RecordStrayEnded', cloudId: 'm-9', proof: proof() });
    expect(settled.debts).toEqual([]);
    expect(settled.ended).toContain('m-9');
    expect(answer(settled, late(), START)).toEqual([]);
  });

  it('can be let go by a person', () => {
    const state = play(stateAfter(...TURNS['terminated with a stray']), { type: 'release', reason: 'theirs' });
    expect(state).toMatchObject({ debts: [], phase: 'terminated' });
    expect(state.ended).toContain('m-9');
  });
});

describe('a create of unknown outcome that a person releases', () => {
  const unknown = [requested({ offers: [offerA] }), ...TURNS['creating, outcome unknown'].slice(1)];
  const release: Ask = { type: 'release', reason: 'none in the console', actor: 'ann' };

  it('counts as absent: the next attempt comes, with a key of its own', () => {
    const released = play(stateAfter(...unknown), release);
    expect(released).toMatchObject({ phase: 'placing', lastCommand: { actor: 'ann' } });
    const next = play(released, { type: 'PlaceNext' });
    expect(next).toMatchObject({ phase: 'creating', attempts: [{ outcome: 'failed' }, { attempt: 2 }] });
  });

  it('ends the instance, where that is wanted, on a person’s word', () => {
    const over = play(stateAfter(...unknown), { type: 'terminate', requestId: 'a' }, release, { type: 'Reconcile' });
    expect(over).toMatchObject({ phase: 'terminated', terminated: { by: 'released' } });
  });

  it('is remembered when placement gives up: nobody claims that nothing was made', () => {
    const policy = { maxOffers: 1, onFailure: 'terminate' } as const;
    const life = [requested({ offers: [offerA], policy }), ...unknown.slice(1)];
    const over = play(stateAfter(...life), release, { type: 'PlaceNext' });
    expect(over).toMatchObject({ phase: 'terminated', terminated: { by: 'released' } });
  });

  it('makes a stray of what it made after all', () => {
    const released = play(stateAfter(...unknown), release);
    expect(isStray(released, seen('running', { cloudId: 'm-1', offer: offerA }))).toBe(true);
    const over = play(stateAfter(...unknown), { type: 'terminate', requestId: 'a' }, release, { type: 'Reconcile' });
    expect(isStray(over, seen('running', { cloudId: 'm-1', offer: offerA }))).toBe(true);
  });
});

describe('ending without a machine', () => {
  it('says that nothing was ever created', () => {
    const state = play(stateAfter(...LIVES.placing), { type: 'terminate' }, { type: 'Reconcile' });
    expect(state).toMatchObject({ phase: 'terminated', terminated: { by: 'never-created' } });
  });

  it('waits for the outcome of a create, and ends what it made', () => {
    const wanted = play(
      stateAfter(...TURNS['creating, outcome unknown']),
      { type: 'terminate' },
      { type: 'Reconcile' },
    );
    expect(wanted.phase).toBe('creating');
    const absent = play(wanted, { type: 'RecordAbsent', evidence: 'x' }, { type: 'Reconcile' });
    expect(absent.phase).toBe('terminated');
  });
});
