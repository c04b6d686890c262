import { ERROR_KINDS, type FailureFact } from '../../src/domain/errors.js';
import type { IsoTime } from '../../src/domain/ids.js';
import {
  COMMANDS,
  type CommandName,
  CommandRefused,
  type Finding,
  type InstanceFact,
  type InstanceState,
  type Observation,
  type Phase,
  unknownCreate,
} from '../../src/domain/instance/index.js';
import { offerId } from '../../src/domain/placement/offer.js';
import { type Ask, answer } from '../support/given.js';
import { cloudInstance, failure, offerA, proof } from './stories.js';

/** What can be learnt in a state: as the steps in `workflows/steps/` report it, and the watcher. */
export type Input = Ask | Finding;

const STATUSES: Observation['status'][] = [
  'running',
  'pending',
  'stopping',
  'stopped',
  'suspended',
  'terminated',
  'failed',
  'absent',
];

const byPhase: Record<Phase, (state: InstanceState, now: IsoTime) => Finding[]> = {
  placing: () => [{ type: 'PlaceNext' }],
  creating: (state) => {
    const cloudId = `m-${state.attempts.length}`;
    const made = (adopted: boolean): Finding => ({
      type: 'RecordCreated',
      instance: cloudInstance({ cloudId }),
      provider: 'sim',
      adopted,
    });
    if (state.attempts.at(-1)?.outcome === 'unknown') return [made(true), { type: 'RecordAbsent', evidence: 'looked' }];
    return [
      made(false),
      ...ERROR_KINDS.map((kind): Finding => ({ type: 'RecordCreateError', failure: failure(kind) })),
    ];
  },
  pending: (state, now) => [...observations(state, now), { type: 'RecordWaitTimeout' }],
  firewalling: (state, now) => [
    { type: 'RecordFirewallApplied', rules: state.firewallRules, strategy: 'native' },
    { type: 'RecordFirewallApplied', rules: state.request.firewallRules, strategy: 'native' },
    ...stepErrors(),
    ...observations(state, now),
  ],
  connecting: (state, now) => [
    { type: 'RecordReady', hostKey: 'ssh-ed25519 AAAA', evidence: 'ran true' },
    ...stepErrors(),
    ...observations(state, now),
  ],
  ready: (state, now) => [...observations(state, now), ...changes(state)],
  stopping: (state, now) => [
    ...observations(state, now, 'stopped'),
    ...observations(state, now),
    ...stepErrors(),
    { type: 'RecordWaitTimeout' },
  ],
  stopped: (state, now) => [...observations(state, now), ...changes(state)],
  starting: (state, now) => [{ type: 'RecordAccepted' }, ...stepErrors(), ...observations(state, now)],
  rebooting: (state, now) => [{ type: 'RecordAccepted' }, ...stepErrors(), ...observations(state, now)],
  discarding: ending,
  terminating: ending,
  terminated: () => [],
  parked: (state, now) => observations(state, now),
};

/** What the phase's own step may find out: what usually happens comes first. */
export function stepFindings(state: InstanceState, now: IsoTime): Finding[] {
  return byPhase[state.phase](state, now);
}

/** What may come in at any time, beside the step. */
export function sideFindings(state: InstanceState, now: IsoTime): Finding[] {
  const late = { cloudId: 'm-late', at: now, status: 'running', offer: offerA } as const;
  const strays = state.debts.filter(({ cause }) => cause === 'stray');
  return [
    { type: 'Reconcile' },
    { type: 'RecordStray', observation: late },
    { type: 'RecordStock', offerId: offerId(offerA) },
    ...strays.map(({ cloudId }): Finding => ({ type: 'RecordStrayEnded', cloudId, proof: proof() })),
  ];
}

/** Every command, with input that usually changes something. */
export function commandsFor(state: InstanceState): Ask[] {
  return [...COMMANDS.map((name) => ask(name, state.seq)), ...createReleases(state)];
}

/** Named, so that it is no question whether a debt is meant. */
export function createReleases(state: InstanceState): Ask[] {
  const unknown = unknownCreate(state);
  if (!unknown) return [];
  return [{ type: 'release', reason: 'none', attempt: unknown.attempt, requestId: `r-${state.seq}-create` }];
}

/** Everything that may be said to an instance in this state. */
export function inputsFor(state: InstanceState, now: IsoTime): Input[] {
  return [...stepFindings(state, now), ...sideFindings(state, now), ...commandsFor(state)];
}

/** The facts an input gives; none when it is refused. */
export function factsOf(state: InstanceState, input: Input, now: IsoTime): InstanceFact[] {
  try {
    return answer(state, input, now);
  } catch (error) {
    if (error instanceof CommandRefused) return [];
    throw error;
  }
}

function ask(name: CommandName, seq: number): Ask {
  const requestId = `r-${seq}-${name}`;
  switch (name) {
    case 'release':
      return { type: name, reason: 'lost', requestId };
    case 'setFirewallRules':
      return {
        type: name,
        firewallRules: { ingressRules: [{ fromPort: 1 + (seq % 2), toPort: 443, ipRanges: [] }] },
        requestId,
      };
    case 'updateTags':
      return { type: name, tags: { n: `${seq % 2}` }, requestId };
    case 'changeInstanceType':
      return { type: name, instanceType: `type-${seq % 2}`, requestId };
    case 'resizeVolume':
      return { type: name, size: { value: 100 + (seq % 2), unit: 'GiB' }, requestId };
    default:
      return { type: name, requestId };
  }
}

function observations({ machine }: InstanceState, now: IsoTime, ...only: Observation['status'][]): Finding[] {
  if (!machine) return [];
  return (only.length > 0 ? only : STATUSES).map((status) => ({
    type: 'RecordObservation',
    observation: { cloudId: machine.cloudId, at: now, status, publicAddress: '203.0.113.7' },
  }));
}

function stepErrors(): Finding[] {
  const kinds: FailureFact['kind'][] = ['SshUnreachable', 'Internal', 'PermissionDenied', 'InsufficientResources'];
  return kinds.map((kind) => ({ type: 'RecordStepError', failure: failure(kind) }));
}

function changes(state: InstanceState): Finding[] {
  return state.changes.flatMap((change): Finding[] => [
    { type: 'RecordChange', change },
    { type: 'RecordChange', change, failure: failure('PermissionDenied') },
  ]);
}

function ending(state: InstanceState): Finding[] {
  const cloudId = state.machine?.cloudId ?? '';
  return [
    { type: 'RecordGone', cloudId, proof: proof() },
    { type: 'RecordDebt', failure: failure('NotYet') },
  ];
}
