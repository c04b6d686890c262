import { describe, expect, it } from 'vitest';
import { toEpochMs } from '../../src/domain/ids.js';
import {
  CorruptHistoryError,
  type InstanceFact,
  type Observation,
  PHASES,
  type Phase,
  type Policy,
  phaseDeadline,
  toView,
  type UsualBoot,
} from '../../src/domain/instance/index.js';
import { answer, given, later, START, stateAfter } from '../support/given.js';
import {
  attempted,
  created,
  failure,
  firewalled,
  LIVES,
  ready,
  requested,
  running,
  SITUATIONS,
  type Situation,
  seen,
  TURNS,
  wish,
} from './stories.js';

const MINUTE = 60_000;

const STATUSES = [
  'pending',
  'running',
  'stopping',
  'stopped',
  'suspending',
  'suspended',
  'terminating',
  'terminated',
  'failed',
  'absent',
] as const satisfies readonly Observation['status'][];

const LOST = { absent: 'MachineVanished', terminated: 'MachineVanished', failed: 'MachineFailed' } as const;

/** What an observation amounts to. What is not listed changes nothing. */
const SEEN: Partial<Record<Situation, Partial<Record<Observation['status'], InstanceFact['type']>>>> = {
  pending: { ...LOST, running: 'InstanceRunning' },
  'pending after a start': { ...LOST, running: 'InstanceRunning' },
  firewalling: LOST,
  connecting: LOST,
  ready: { ...LOST, stopped: 'StoppedOutside', suspended: 'StoppedOutside' },
  'ready, a stop wanted': { ...LOST, stopped: 'StoppedOutside', suspended: 'StoppedOutside' },
  'ready, a reboot wanted': { ...LOST, stopped: 'StoppedOutside', suspended: 'StoppedOutside' },
  'ready, an end wanted': { ...LOST, stopped: 'StoppedOutside', suspended: 'StoppedOutside' },
  stopping: { ...LOST, stopped: 'InstanceStopped', suspended: 'InstanceStopped' },
  stopped: { ...LOST, running: 'StartedOutside' },
  'stopped, a start waits for stock': LOST,
  'stopped, a start wanted': LOST, // running: our own start, seen early
};

const looks = (Object.keys(SITUATIONS) as Situation[]).flatMap((situation) =>
  STATUSES.map((status) => ({ situation, status, type: SEEN[situation]?.[status] })),
);

describe('an observation of our machine, in every phase', () => {
  it.each(looks)('$situation, seen $status: $type', ({ situation, status, type }) => {
    const observation = seen(status, { publicAddress: '203.0.113.7' });
    const facts = answer(stateAfter(...SITUATIONS[situation]), { type: 'RecordObservation', observation }, START);
    expect(facts.map((fact) => fact.type)).toEqual(type ? [type] : []);
  });

  it.each(looks.filter(({ type }) => type))('$situation, seen $status before it began: nothing', (look) => {
    const state = stateAfter(...SITUATIONS[look.situation]);
    const observation = seen(look.status, { publicAddress: '203.0.113.7', at: later(state.freshFrom, -1) });
    expect(answer(state, { type: 'RecordObservation', observation }, START)).toEqual([]);
  });

  it.each(looks.filter(({ type }) => type))('$situation, another machine seen $status: nothing', (look) => {
    const observation = seen(look.status, { publicAddress: '203.0.113.7', cloudId: 'm-2' });
    const state = stateAfter(...SITUATIONS[look.situation]);
    expect(answer(state, { type: 'RecordObservation', observation }, START)).toEqual([]);
  });
});

describe('a machine that runs', () => {
  it('is not running for us before it has an address', () =>
    given(...LIVES.pending)
      .when({ type: 'RecordObservation', observation: seen('running') })
      .thenNothing());

  it('may have another user, port and private address than its creation promised', () => {
    const reach = { publicAddress: '203.0.113.8', privateAddress: '10.0.0.4', sshUser: 'root', sshPort: 2222 };
    const state = given(...LIVES.pending)
      .when({ type: 'RecordObservation', observation: seen('running', reach) })
      .then({ type: 'InstanceRunning', ...reach });
    expect(state.machine).toMatchObject(reach);
  });

  it('may share its address, and have some ports of it: others after a start', () => {
    const portMappings = [{ port: 22, publicPort: 40_022 }];
    const reach = { publicAddress: '203.0.113.8', sshUser: 'root', sshPort: 40_022 };
    const state = given(...LIVES.pending)
      .when({ type: 'RecordObservation', observation: seen('running', { ...reach, portMappings }) })
      .then({ type: 'InstanceRunning', ...reach, portMappings });
    expect(toView(state)).toMatchObject({ sshPort: 40_022, portMappings });
    const again = stateAfter(
      ...LIVES.pending,
      { type: 'InstanceRunning', ...reach, portMappings },
      firewalled(),
      ready(),
      { type: 'InstanceStopping' },
      { type: 'InstanceStopped' },
      { type: 'InstanceStarting' },
      { type: 'StartAccepted' },
      { type: 'InstanceRunning', ...reach },
    );
    expect(again.machine?.portMappings).toBeUndefined();
  });
});

describe('a machine that fails', () => {
  const WAYS = [
    ['its firewall', 'firewalling', 'FirewallFailed'],
    ['SSH', 'connecting', 'SshFailed'],
  ] as const;

  it.each(WAYS)('at %s before anybody had it: it is ended, and placement goes on', (_what, phase, type) => {
    const state = given(...LIVES[phase])
      .when({ type: 'RecordStepError', failure: failure('SshUnreachable') })
      .then({ type, failure: { kind: 'SshUnreachable' } });
    expect(state).toMatchObject({ phase: 'discarding', attempts: [{ outcome: 'failed' }] });
  });

  it.each(WAYS)('at %s after it was handed over: it is kept, and a person decides', (_what, phase, type) => {
    const again = [...TURNS['pending after a start'], running(), ...(phase === 'connecting' ? [firewalled()] : [])];
    const state = given(...again)
      .when({ type: 'RecordStepError', failure: failure('SshUnreachable') })
      .then({ type, failure: { kind: 'SshUnreachable' } });
    expect(state).toMatchObject({ phase: 'parked', machine: { cloudId: 'm-1' }, desired: 'running' });
  });

  it.each([
    ['stopping', 'StopRefused', 'ready', 'running'],
    ['starting', 'StartRefused', 'stopped', 'stopped'],
    ['rebooting', 'RebootRefused', 'ready', 'running'],
  ] as const)('an order refused while %s leaves it as it was (%s)', (phase, type, back, desired) => {
    const state = given(...LIVES[phase])
      .when({ type: 'RecordStepError', failure: failure('PermissionDenied') })
      .then({ type, failure: { kind: 'PermissionDenied' } });
    expect(state).toMatchObject({ phase: back, desired, failure: { kind: 'PermissionDenied' } });
    given(...LIVES[phase], { type, failure: failure('PermissionDenied') })
      .when({ type: 'Reconcile' })
      .thenNothing();
  });

  it('cannot have failed a step in a phase that has none', () => {
    expect(() =>
      answer(stateAfter(...LIVES.ready), { type: 'RecordStepError', failure: failure('Internal') }, START),
    ).toThrow(CorruptHistoryError);
  });

  it('is ended, not replaced, when it vanishes after it was handed over', () => {
    const state = given(...LIVES.ready)
      .when({ type: 'RecordObservation', observation: seen('absent') })
      .then({ type: 'MachineVanished', failure: { kind: 'InstanceFailed' } });
    expect(state).toMatchObject({ phase: 'terminating', desired: 'terminated', machine: { cloudId: 'm-1' } });
  });

  it('makes room for the next offer when it vanishes before, once that is proved', () => {
    const state = given(...LIVES.pending)
      .when({ type: 'RecordObservation', observation: seen('absent') })
      .then({ type: 'MachineVanished' });
    expect(state).toMatchObject({ phase: 'discarding', machine: { cloudId: 'm-1' } });
  });
});

describe('what somebody did without us', () => {
  it('is the new wish: stopped outside stays stopped', () => {
    const state = given(...LIVES.ready)
      .when({ type: 'RecordObservation', observation: seen('stopped', { message: 'console' }) })
      .then({ type: 'StoppedOutside', status: 'stopped', message: 'console' });
    expect(state).toMatchObject({ phase: 'stopped', desired: 'stopped' });
  });

  it('is the new wish: started outside is readied and kept running', () => {
    const state = given(...LIVES.stopped)
      .when({ type: 'RecordObservation', observation: seen('running') })
      .then({ type: 'StartedOutside' });
    expect(state).toMatchObject({ phase: 'pending', desired: 'running' });
  });

  it.each<[string, Phase, InstanceFact]>([
    ['a stop outside', 'ready', { type: 'StoppedOutside', status: 'stopped' }],
    ['a start outside', 'stopped', { type: 'StartedOutside' }],
    ['a stop refused', 'stopping', { type: 'StopRefused', failure: failure('Internal') }],
    ['a start refused', 'starting', { type: 'StartRefused', failure: failure('InsufficientResources') }],
    ['a reboot refused', 'rebooting', { type: 'RebootRefused', failure: failure('Internal') }],
    ['a machine that failed', 'ready', { type: 'MachineFailed', failure: failure('InstanceFailed') }],
  ])('never undoes a wish to end it: %s', (_what, phase, fact) => {
    given(...LIVES[phase], wish('TerminateRequested'), fact)
      .when({ type: 'Reconcile' })
      .then({ type: 'TerminationBegan', cloudId: 'm-1' });
  });
});

describe('a wait that took too long', () => {
  const SITUATIONS_THAT_WAIT = [
    ['pending', 'discarding'],
    ['pending after a start', 'parked'],
    ['stopping', 'parked'],
  ] as const;

  it.each(SITUATIONS_THAT_WAIT)('%s: %s, saying what was waited for', (situation, phase) => {
    const state = given(...SITUATIONS[situation])
      .when({ type: 'RecordWaitTimeout' })
      .then({ type: 'WaitTimedOut', failure: { kind: 'WaitTimeout' } });
    expect(state.phase).toBe(phase);
  });

  it('does not make the loop try the same again at once', () =>
    given(...LIVES.stopping, { type: 'WaitTimedOut', waitingFor: 'x', failure: failure('WaitTimeout') })
      .when({ type: 'Reconcile' })
      .thenNothing());

  it('does not forget that somebody wants it ended', () =>
    given(...LIVES.stopping, wish('TerminateRequested'), {
      type: 'WaitTimedOut',
      waitingFor: 'x',
      failure: failure('WaitTimeout'),
    })
      .when({ type: 'Reconcile' })
      .then({ type: 'TerminationBegan', cloudId: 'm-1' }));

  const DEADLINES: Record<Situation, number | undefined> = {
    placing: 60,
    creating: undefined, // its activity has an end of its own; an unknown outcome is never given up
    'creating, outcome unknown': undefined,
    pending: 20,
    'pending after a start': 20,
    firewalling: 10,
    connecting: 10,
    ready: undefined,
    'ready, a stop wanted': undefined,
    'ready, a reboot wanted': undefined,
    'ready, an end wanted': undefined,
    stopping: 10,
    stopped: undefined,
    'stopped, a start wanted': undefined,
    'stopped, a start waits for stock': undefined,
    starting: undefined,
    rebooting: undefined,
    discarding: 20,
    'discarding with a debt': 20,
    terminating: 20,
    'terminating with a debt': 20,
    terminated: undefined,
    'terminated with a stray': undefined,
    parked: undefined,
    'parked, an end wanted': undefined,
    'parked with its machine': undefined,
  };

  it.each(Object.entries(DEADLINES))('%s: the default deadline is after %s minutes', (situation, minutes) => {
    const state = stateAfter(...SITUATIONS[situation as Situation]);
    expect(phaseDeadline(state)).toBe(minutes && later(state.since, minutes * MINUTE));
  });

  it('takes each deadline from the request’s policy', () => {
    const policy = { stoppedToRunning: '7m', pendingToRunning: '3m' };
    const life = (facts: readonly InstanceFact[]) => stateAfter(requested({ policy }), ...facts.slice(1));
    const first = life(LIVES.pending);
    const again = life(TURNS['pending after a start']);
    expect(phaseDeadline(first)).toBe(later(first.since, 3 * MINUTE));
    expect(phaseDeadline(again)).toBe(later(again.since, 7 * MINUTE));
  });
});

describe('how long a first boot may take, where the journal knows the offer', () => {
  const pendingWith = (usualBoot: UsualBoot, policy: Partial<Policy> = {}) => {
    const state = stateAfter(requested({ policy }), attempted(), { ...created(), usualBoot });
    return toEpochMs(phaseDeadline(state) ?? '') - toEpochMs(state.since);
  };

  it.each([
    ['twice what 99 in 100 machines took', { machines: 40, p50Ms: 60_000, p99Ms: 4 * MINUTE }, {}, 8],
    ['never less than the floor', { machines: 40, p50Ms: 5_000, p99Ms: 9_000 }, {}, 5],
    [
      'never less than the policy’s own floor',
      { machines: 40, p50Ms: 5_000, p99Ms: 9_000 },
      { pendingToRunningFloor: '2m' },
      2,
    ],
    ['never more than the ceiling', { machines: 40, p50Ms: 60_000, p99Ms: 30 * MINUTE }, {}, 20],
    [
      'the ceiling, where it is below the floor',
      { machines: 40, p50Ms: 1_000, p99Ms: 2_000 },
      { pendingToRunning: '1m' },
      1,
    ],
    ['the ceiling, after too few machines', { machines: 9, p50Ms: 60_000, p99Ms: 90_000 }, {}, 20],
  ] as const)('%s', (_what, usualBoot, policy, minutes) => {
    expect(pendingWith(usualBoot, policy)).toBe(minutes * MINUTE);
  });

  it('a later start has the policy’s own time: the machine may boot from anything by then', () => {
    const life = LIVES.pending.map((fact) =>
      fact.type === 'InstanceCreated' ? { ...fact, usualBoot: { machines: 40, p50Ms: 1_000, p99Ms: 2_000 } } : fact,
    );
    const again = stateAfter(...life, ...TURNS['pending after a start'].slice(life.length));
    expect(phaseDeadline(again)).toBe(later(again.since, 20 * MINUTE));
  });
});

describe('the level trigger: wanted against phase', () => {
  const MOVES: Partial<Record<Situation, InstanceFact['type']>> = {
    'ready, a stop wanted': 'InstanceStopping',
    'ready, a reboot wanted': 'InstanceRebooting',
    'ready, an end wanted': 'TerminationBegan',
    'stopped, a start wanted': 'InstanceStarting',
    'parked, an end wanted': 'InstanceTerminated',
  };

  it.each(Object.keys(SITUATIONS) as Situation[])('%s: one move, or none', (situation) => {
    const facts = answer(stateAfter(...SITUATIONS[situation]), { type: 'Reconcile' }, START);
    expect(facts.map(({ type }) => type)).toEqual(MOVES[situation] ? [MOVES[situation]] : []);
  });

  /** Where a wish to end it leads at once; the others have begun or finish a call first. */
  const ENDS: Record<Phase, InstanceFact['type'] | undefined> = {
    placing: 'InstanceTerminated',
    creating: undefined, // what it made must be known before it can be ended
    pending: 'TerminationBegan',
    firewalling: 'TerminationBegan',
    connecting: 'TerminationBegan',
    ready: 'TerminationBegan',
    stopping: 'TerminationBegan',
    stopped: 'TerminationBegan',
    starting: 'TerminationBegan',
    rebooting: 'TerminationBegan',
    discarding: 'TerminationBegan',
    terminating: undefined,
    terminated: undefined,
    parked: 'InstanceTerminated',
  };

  it.each(PHASES.filter((phase) => phase !== 'terminated'))('%s, an end wanted', (phase) => {
    const facts = [...LIVES[phase], wish('TerminateRequested')];
    const moves = answer(stateAfter(...facts), { type: 'Reconcile' }, START);
    expect(moves.map(({ type }) => type)).toEqual(ENDS[phase] ? [ENDS[phase]] : []);
  });

  it.each(['ready', 'rebooting', 'pending after a start'] as const)(
    '%s, a stop wanted: the stop, as soon as no order is under way',
    (situation) => {
      const moves = answer(stateAfter(...SITUATIONS[situation], wish('StopRequested')), { type: 'Reconcile' }, START);
      expect(moves.map(({ type }) => type)).toEqual(situation === 'rebooting' ? [] : ['InstanceStopping']);
    },
  );

  it('starts a machine again whose start was asked for while it stopped', () => {
    const facts = [...LIVES.stopping, wish('StartRequested'), { type: 'InstanceStopped' } as const];
    given(...facts)
      .when({ type: 'Reconcile' })
      .then({ type: 'InstanceStarting' });
  });

  it('lets a stop win over a reboot, and forgets the reboot', () => {
    const facts = [...TURNS['ready, a reboot wanted'], wish('StopRequested')];
    const state = given(...facts)
      .when({ type: 'Reconcile' })
      .then({ type: 'InstanceStopping' });
    expect(state.rebootWanted).toBe(false);
  });

  it.each(['starting', 'rebooting'] as const)('%s is accepted: pending again', (phase) => {
    const type = phase === 'starting' ? 'StartAccepted' : 'RebootAccepted';
    const state = given(...LIVES[phase])
      .when({ type: 'RecordAccepted' })
      .then({ type });
    expect(state.phase).toBe('pending');
  });
});

describe('a start that finds no stock', () => {
  const noStock = { type: 'RecordStepError', failure: failure('InsufficientResources') } as const;
  const waiting = TURNS['stopped, a start waits for stock'];
  const { startRetry } = stateAfter(...waiting);

  it('leaves the machine stopped, still wanted, with the moment of the next try', () => {
    const state = given(...LIVES.starting)
      .when(noStock)
      .then({ type: 'StartRefused', retryAt: expect.any(String) });
    expect(state).toMatchObject({ phase: 'stopped', desired: 'running', startRetry: { refusals: 1 } });
  });

  it('is tried again at that moment, and not before', () => {
    const at = startRetry?.at as string;
    given(...waiting)
      .when({ type: 'Reconcile' }, later(at, -1))
      .thenNothing();
    given(...waiting)
      .when({ type: 'Reconcile' }, at)
      .then({ type: 'InstanceStarting' });
  });

  it('is given up once stoppedToRunning has passed since the first refusal', () => {
    const until = startRetry?.until as string;
    const state = given(...waiting, { type: 'InstanceStarting' })
      .when(noStock, later(until, -1))
      .then({ type: 'StartRefused' });
    expect(state).toMatchObject({ phase: 'stopped', desired: 'stopped', startRetry: undefined });
  });

  it('is forgotten when the machine fails meanwhile, so that a retry does not find it again', () => {
    const state = given(...waiting)
      .when({ type: 'RecordObservation', observation: seen('failed') })
      .then({ type: 'MachineFailed' });
    expect(state).toMatchObject({ phase: 'parked', startRetry: undefined });
  });

  it.each(['StopRequested', 'TerminateRequested'] as const)('is not tried again after a %s', (type) => {
    const state = given(...LIVES.starting, wish(type))
      .when(noStock)
      .then({ type: 'StartRefused' });
    expect(state).toMatchObject({ phase: 'stopped', startRetry: undefined });
    expect(state.desired).toBe(type === 'StopRequested' ? 'stopped' : 'terminated');
  });
});

describe('readying', () => {
  it('goes from firewall to SSH to ready, and pins the host key', () => {
    const rules = { ingressRules: [], egressRules: [] };
    given(...LIVES.firewalling)
      .when({ type: 'RecordFirewallApplied', rules, strategy: 'native' })
      .then({ type: 'FirewallApplied', rules, strategy: 'native' });
    const state = given(...LIVES.connecting)
      .when({ type: 'RecordReady', hostKey: 'ssh-ed25519 AAAA', evidence: 'x' })
      .then({ type: 'InstanceReady', hostKey: 'ssh-ed25519 AAAA' });
    expect(state).toMatchObject({ phase: 'ready', handedOver: true, machine: { hostKey: 'ssh-ed25519 AAAA' } });
  });

  it('keeps a firewall wish that came while older rules were being applied', () => {
    const rules = { ingressRules: [{ fromPort: 443, toPort: 443, ipRanges: [] }], egressRules: [] };
    const { state } = given(
      ...LIVES.firewalling,
      { type: 'FirewallChangeRequested', rules, requestId: 'x' },
      firewalled(),
      ready(),
    );
    expect(state.changes).toMatchObject([{ kind: 'firewall', rules }]);
    expect(state.firewallRules).toEqual(rules);
  });

  it('forgets it once those very rules are in force', () => {
    const rules = { ingressRules: [{ fromPort: 443, toPort: 443, ipRanges: [] }], egressRules: [] };
    const { state } = given(
      ...LIVES.firewalling,
      { type: 'FirewallChangeRequested', rules, requestId: 'x' },
      { type: 'FirewallApplied', rules, strategy: 'native' },
    );
    expect(state).toMatchObject({ changes: [], appliedRules: rules });
  });
});

describe('a change of a living machine', () => {
  const change = { kind: 'tags', requestId: 'x', tags: { team: 'a' } } as const;
  const asked = [...LIVES.ready, { type: 'TagsChangeRequested', tags: { team: 'a' }, requestId: 'x' }] as const;

  it('is applied, or refused with the reason', () => {
    given(...asked)
      .when({ type: 'RecordChange', change })
      .then({ type: 'ChangeApplied', change });
    given(...asked)
      .when({ type: 'RecordChange', change, failure: failure('PermissionDenied') })
      .then({ type: 'ChangeRefused', change, failure: { kind: 'PermissionDenied' } });
  });

  it('means nothing once a newer wish has overtaken it', () => {
    given(...asked, { type: 'TagsChangeRequested', tags: { team: 'b' }, requestId: 'y' })
      .when({ type: 'RecordChange', change })
      .thenNothing();
  });

  it('goes back to the rules in force when a firewall change is refused', () => {
    const rules = { ingressRules: [{ fromPort: 443, toPort: 443, ipRanges: [] }], egressRules: [] };
    const { state } = given(
      ...LIVES.ready,
      { type: 'FirewallChangeRequested', rules, requestId: 'x' },
      {
        type: 'ChangeRefused',
        change: { kind: 'firewall', requestId: 'x', rules },
        failure: failure('PermissionDenied'),
      },
    );
    expect(state).toMatchObject({
      firewallRules: { ingressRules: [] },
      changes: [],
      failure: { kind: 'PermissionDenied' },
    });
  });
});
