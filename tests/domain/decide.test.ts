import { describe, expect, it } from 'vitest';
import { COMMANDS, type CommandName, CommandRefused, HANDLED_LIMIT } from '../../src/domain/instance/index.js';
import { type Ask, answer, append, given, START, stateAfter } from '../support/given.js';
import { attempted, created, debtOpened, LIVES, SITUATIONS, type Situation, strayFound } from './stories.js';

/** Each command with input that would change something. */
const ASKS: Record<CommandName, Ask> = {
  stop: { type: 'stop' },
  start: { type: 'start' },
  reboot: { type: 'reboot' },
  terminate: { type: 'terminate', reason: 'done' },
  retry: { type: 'retry' },
  release: { type: 'release', reason: 'the vendor lost it' },
  setFirewallRules: {
    type: 'setFirewallRules',
    firewallRules: { ingressRules: [{ fromPort: 443, toPort: 443, ipRanges: [] }] },
  },
  updateTags: { type: 'updateTags', tags: { team: 'a' } },
  changeInstanceType: { type: 'changeInstanceType', instanceType: 'gpu_8x_h100' },
  resizeVolume: { type: 'resizeVolume', size: { value: 300, unit: 'GiB' } },
};

const OUTCOMES = { R: 'recorded', A: 'already', W: 'WrongPhase' } as const;

/** Columns in the order of COMMANDS: stop start reboot terminate retry release firewall tags type volume. */
const TABLE: Record<Situation, string> = {
  //                             stp str reb ter ret rel fw tag typ vol
  placing: '                     W   A   W   R   W   W   R   R   W   W',
  creating: '                    W   A   W   R   W   W   R   R   W   W',
  'creating, outcome unknown': ' W   A   W   R   R   R   R   R   W   W',
  pending: '                     W   A   W   R   W   W   R   R   W   W',
  firewalling: '                 W   A   W   R   W   W   R   R   W   W',
  connecting: '                  W   A   W   R   W   W   R   R   W   W',
  ready: '                       R   A   R   R   W   W   R   R   W   R',
  'ready, a stop wanted': '      A   R   W   R   W   W   R   R   W   R',
  'ready, a reboot wanted': '    R   A   A   R   W   W   R   R   W   R',
  'ready, an end wanted': '      W   W   W   A   W   W   W   W   W   W',
  stopping: '                    A   R   W   R   W   W   R   R   W   W',
  stopped: '                     A   R   W   R   W   W   R   R   R   R',
  'stopped, a start wanted': '   R   A   W   R   W   W   R   R   R   R',
  'stopped, a start waits for stock': 'R R  W   R   W   W   R   R   R   R',
  starting: '                    R   A   W   R   W   W   R   R   W   W',
  'pending after a start': '     R   A   W   R   W   W   R   R   W   W',
  rebooting: '                   R   A   A   R   W   W   R   R   W   W',
  discarding: '                  W   A   W   R   W   W   R   R   W   W',
  'discarding with a debt': '    W   A   W   R   R   R   R   R   W   W',
  parked: '                      W   W   W   R   R   W   W   W   W   W',
  'parked with its machine': '   R   W   W   R   R   W   W   W   W   W',
  'parked, an end wanted': '     W   W   W   A   W   W   W   W   W   W',
  terminating: '                 W   W   W   A   W   W   W   W   W   W',
  'terminating with a debt': '   W   W   W   A   R   R   W   W   W   W',
  terminated: '                  W   W   W   A   W   W   W   W   W   W',
  'terminated with a stray': '   W   W   W   A   W   R   W   W   W   W',
};

const cells = Object.entries(TABLE).flatMap(([situation, row]) =>
  row
    .trim()
    .split(/\s+/)
    .map((letter, column) => ({
      situation: situation as Situation,
      command: COMMANDS[column] as CommandName,
      outcome: OUTCOMES[letter as keyof typeof OUTCOMES],
    })),
);

function outcomeOf(situation: Situation, ask: Ask): string {
  try {
    return answer(stateAfter(...SITUATIONS[situation]), ask, START).length > 0 ? 'recorded' : 'already';
  } catch (error) {
    if (error instanceof CommandRefused) return error.kind;
    throw error;
  }
}

describe('every command in every phase', () => {
  it('has an expectation for each', () => expect(cells).toHaveLength(COMMANDS.length * Object.keys(SITUATIONS).length));

  it.each(cells)('$situation: $command is $outcome', ({ situation, command, outcome }) => {
    expect(outcomeOf(situation, ASKS[command])).toBe(outcome);
  });
});

describe('what a command records', () => {
  it.each([
    ['stop', 'ready', { type: 'StopRequested' }],
    ['start', 'stopped', { type: 'StartRequested' }],
    ['reboot', 'ready', { type: 'RebootRequested' }],
    ['terminate', 'placing', { type: 'TerminateRequested', reason: 'done' }],
    ['retry', 'parked', { type: 'RetryRequested' }],
    ['release', 'terminating with a debt', { type: 'DebtReleased', cloudId: 'm-1', reason: 'the vendor lost it' }],
    [
      'setFirewallRules',
      'ready',
      {
        type: 'FirewallChangeRequested',
        rules: { ingressRules: [{ fromPort: 443, toPort: 443, ipRanges: [] }], egressRules: [] },
      },
    ],
    ['updateTags', 'ready', { type: 'TagsChangeRequested', tags: { team: 'a' } }],
    ['changeInstanceType', 'stopped', { type: 'TypeChangeRequested', instanceType: 'gpu_8x_h100' }],
    ['resizeVolume', 'ready', { type: 'VolumeResizeRequested', size: { value: 300, unit: 'GiB' } }],
  ] as const)('%s: the wish, its requestId and its actor', (name, situation, fact) => {
    given(...SITUATIONS[situation])
      .when({ ...ASKS[name], requestId: 'r-7', actor: 'ann' })
      .then({ ...fact, requestId: 'r-7', actor: 'ann' });
  });

  it.each(COMMANDS)('%s: nothing the second time with the same requestId, wherever the instance is by then', (name) => {
    const situation = (Object.keys(TABLE) as Situation[]).find((one) => outcomeOf(one, ASKS[name]) === 'recorded');
    const state = stateAfter(...SITUATIONS[situation as Situation]);
    const once = append(state, answer(state, ASKS[name], START), START);
    expect(answer(once, ASKS[name], START)).toEqual([]);
    const over = append(once, [{ type: 'TagsChangeRequested', tags: {}, requestId: 'other' }], START);
    expect(answer(over, ASKS[name], START)).toEqual([]);
  });

  it('remembers a bounded number of request ids, the newest ones', () => {
    let state = stateAfter(...LIVES.ready);
    for (let i = 0; i <= HANDLED_LIMIT; i += 1) {
      const ask: Ask = { type: 'updateTags', tags: { n: `${i}` }, requestId: `id-${i}` };
      state = append(state, answer(state, ask, START), START);
    }
    expect(state.handled).toHaveLength(HANDLED_LIMIT);
    expect(state.handled.at(-1)).toMatchObject({ requestId: `id-${HANDLED_LIMIT}`, seq: state.seq });
    expect(state.handled[0]).toMatchObject({ requestId: 'id-1' });
  });
});

describe('what is so already', () => {
  const rules = {
    ingressRules: [{ fromPort: 80, toPort: 80, ipRanges: ['10.0.0.0/8', '192.0.2.0/24'] }],
    egressRules: [],
  };
  const life = [
    ...LIVES.stopped,
    { type: 'FirewallChangeRequested', rules, requestId: 'x' },
    { type: 'ChangeApplied', change: { kind: 'volume', requestId: 'y', size: { value: 1, unit: 'TiB' } } },
  ] as const;

  it.each<[string, Ask]>([
    [
      'the same rules in another order, and twice',
      {
        type: 'setFirewallRules',
        firewallRules: {
          ingressRules: [1, 2].map(() => ({ fromPort: 80, toPort: 80, ipRanges: ['192.0.2.0/24', '10.0.0.0/8'] })),
        },
      },
    ],
    ['the same tags', { type: 'updateTags', tags: {} }],
    ['the type it has', { type: 'changeInstanceType', instanceType: 'gpu_1x_a10' }],
    ['the size it has, in any unit', { type: 'resizeVolume', size: { value: 1024, unit: 'GiB' } }],
  ])('%s', (_what, ask) => {
    given(...life)
      .when(ask)
      .thenNothing();
  });
});

describe('the three-level rule', () => {
  const bare = (facts: readonly (typeof LIVES.stopped)[number][]) =>
    facts.map((fact) => (fact.type === 'InstanceCreated' ? created({ capabilities: [] }) : fact));

  it.each<[CommandName, Situation]>([
    ['stop', 'ready'],
    ['start', 'stopped'],
    ['reboot', 'ready'],
    ['setFirewallRules', 'ready'],
    ['updateTags', 'ready'],
    ['changeInstanceType', 'stopped'],
    ['resizeVolume', 'ready'],
  ])('%s of a machine that cannot is NotSupported', (name, situation) => {
    given(...bare(SITUATIONS[situation] as typeof LIVES.stopped))
      .when(ASKS[name])
      .thenRefused('NotSupported');
  });

  it.each(['terminate', 'retry', 'release'] as const)('%s needs no capability: it is how one gets out', (name) => {
    const facts = bare(SITUATIONS['discarding with a debt'] as unknown as typeof LIVES.stopped);
    expect(given(...facts).state.debts).toHaveLength(1);
    expect(answer(given(...facts).state, ASKS[name], START)).toHaveLength(1);
  });
});

describe('input that makes no sense', () => {
  it.each<[string, Ask]>([
    ['reason', { type: 'release', reason: ' ' }],
    ['reason', { type: 'release', reason: undefined as unknown as string }],
    ['attempt', { type: 'release', reason: 'x', attempt: 1.5 }],
    ['firewallRules', { type: 'setFirewallRules', firewallRules: undefined as unknown as object }],
    [
      'firewallRules.ingressRules[0].toPort',
      {
        type: 'setFirewallRules',
        firewallRules: { ingressRules: [{ fromPort: 9, toPort: 8, ipRanges: [] }] },
      },
    ],
    ['tags.refId', { type: 'updateTags', tags: { refId: 'mine' } }],
    ['tags', { type: 'updateTags', tags: null as unknown as Record<string, string> }],
    ['instanceType', { type: 'changeInstanceType', instanceType: '' }],
    ['size', { type: 'resizeVolume', size: { value: -1, unit: 'GiB' } }],
    ['size', { type: 'resizeVolume', size: undefined as unknown as { value: number; unit: 'GiB' } }],
  ])('names %s', (field, ask) => {
    given(...LIVES.stopped)
      .when(ask)
      .thenRefused('InvalidRequest', field);
  });

  it('names the size when a volume would shrink', () => {
    given(...LIVES.ready, {
      type: 'ChangeApplied',
      change: { kind: 'volume', requestId: 'x', size: { value: 200, unit: 'GiB' } },
    })
      .when({ type: 'resizeVolume', size: { value: 100, unit: 'GiB' } })
      .thenRefused('InvalidRequest', 'size');
  });
});

describe('releasing a create whose outcome is unknown', () => {
  const unknown = SITUATIONS['creating, outcome unknown'];

  it('calls it absent on a person’s word, whether the attempt is named or not', () => {
    for (const named of [{}, { attempt: 1 }])
      given(...unknown)
        .when({ type: 'release', reason: 'none in the console', actor: 'ann', ...named })
        .then({ type: 'CreateReleased', attempt: 1, reason: 'none in the console', actor: 'ann' });
  });

  it('must be named when a machine is owed as well, and so must the machine', () => {
    const both = [...unknown, debtOpened('m-9')];
    given(...both)
      .when({ type: 'release', reason: 'x' })
      .thenRefused('InvalidRequest', 'm-9');
    given(...both)
      .when({ type: 'release', reason: 'x', attempt: 1 })
      .then({ type: 'CreateReleased', attempt: 1 });
    given(...both)
      .when({ type: 'release', reason: 'x', cloudId: 'm-9' })
      .then({ type: 'DebtReleased', cloudId: 'm-9' });
    given(...both)
      .when({ type: 'release', reason: 'x', cloudId: 'm-9', attempt: 1 })
      .thenRefused('InvalidRequest', 'attempt');
  });

  it('is so already for an attempt that is known to have made nothing', () => {
    const released = { type: 'CreateReleased', attempt: 1, reason: 'x', requestId: 'earlier' } as const;
    given(...unknown, released, attempted(2))
      .when({ type: 'release', reason: 'x', attempt: 1 })
      .thenNothing();
  });

  it.each([
    ['another attempt', unknown, 2],
    ['one that is still under way', LIVES.creating, 1],
    ['one that made a machine', LIVES.pending, 1],
  ] as const)('is refused for %s', (_what, life, attempt) =>
    given(...life)
      .when({ type: 'release', reason: 'x', attempt })
      .thenRefused('WrongPhase'),
  );
});

describe('releasing a debt', () => {
  const two = [...SITUATIONS['terminating with a debt'], strayFound('m-9')];

  it('must name one when several are open', () =>
    given(...two)
      .when({ type: 'release', reason: 'x' })
      .thenRefused('InvalidRequest', 'cloudId'));

  it('lets go the one that is named', () =>
    given(...two)
      .when({ type: 'release', reason: 'x', cloudId: 'm-9' })
      .then({ type: 'DebtReleased', cloudId: 'm-9' }));

  it('is so already for a machine that is known to be gone', () =>
    given(...two, { type: 'StrayEnded', cloudId: 'm-9', proof: { by: 'not-found', at: START, evidence: 'x' } })
      .when({ type: 'release', reason: 'x', cloudId: 'm-9' })
      .thenNothing());

  it('is refused for a machine that nobody owes', () =>
    given(...LIVES.terminating, debtOpened())
      .when({ type: 'release', reason: 'x', cloudId: 'm-77' })
      .thenRefused('WrongPhase'));
});
