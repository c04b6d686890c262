import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CloudId } from '../../src/domain/ids.js';
import {
  fold,
  type InstanceEvent,
  type InstanceState,
  LIFECYCLE_STATUS,
  open,
  PHASES,
  type Phase,
  toView,
} from '../../src/domain/instance/index.js';
import { append, later, START } from '../support/given.js';
import { commandsFor, createReleases, factsOf, type Input, sideFindings, stepFindings } from './explore.js';
import { offerA, offerB, offerC, requested } from './stories.js';

/** Phases that stand on a machine, and those that cannot have one. `parked` may keep one, or not. */
const WITH_MACHINE = new Set<Phase>([
  'pending',
  'firewalling',
  'connecting',
  'ready',
  'stopping',
  'stopped',
  'starting',
  'rebooting',
  'discarding',
  'terminating',
]);
const WITHOUT_MACHINE = new Set<Phase>(['placing', 'creating', 'terminated']);

interface Life {
  events: InstanceEvent[];
  states: InstanceState[];
}

/** One step of a life: which kind of input, which of these, and how long after the last. */
const steps = fc.tuple(
  fc.constantFrom('usual', 'usual', 'usual', 'any', 'any', 'side', 'side', 'command'),
  fc.nat(9_999),
  fc.constantFrom(1_000, 60_000, 600_000),
);

/** Lives as they can be: every input is one that the steps, the watcher or a person may give in that very state. */
const lives = (length: number) =>
  fc.array(steps, { minLength: length, maxLength: length }).map((picks): Life => {
    const request = requested({ offers: [offerA, offerB, offerC] });
    const first = { ...request, seq: 1, at: START } as InstanceEvent;
    const life: Life = { events: [first], states: [open(first)] };
    let now = START;
    for (const [kind, pick, gap] of picks) {
      now = later(now, gap);
      const state = life.states.at(-1) as InstanceState;
      const input = choose(state, kind, pick, now);
      for (const fact of input ? factsOf(state, input, now) : []) {
        const before = life.states.at(-1) as InstanceState;
        life.events.push({ ...fact, seq: before.seq + 1, at: now });
        life.states.push(append(before, [fact], now));
      }
    }
    return life;
  });

function choose(state: InstanceState, kind: string, pick: number, now: string): Input | undefined {
  const step = stepFindings(state, now);
  if (kind === 'usual') return step[0];
  // An end is wanted rarely, or few lives would get anywhere.
  const commands = commandsFor(state).filter(({ type }) => type !== 'terminate' || pick % 3 === 0);
  const inputs: Input[] =
    kind === 'any' ? [...step, ...createReleases(state)] : kind === 'side' ? sideFindings(state, now) : commands;
  return inputs[pick % Math.max(1, inputs.length)];
}

const RUNS = { numRuns: 400 };
const holds = (promise: (life: Life) => void) =>
  fc.assert(
    fc.property(lives(60), (life) => {
      promise(life);
    }),
    RUNS,
  );

/** Machines that came into being and are neither proved gone nor let go. */
function living(events: readonly InstanceEvent[]): Set<CloudId> {
  const alive = new Set<CloudId>();
  let main: CloudId | undefined;
  for (const event of events) {
    if (event.type === 'InstanceCreated') {
      main = event.cloudId;
      alive.add(main);
    }
    if (event.type === 'MachineDiscarded') alive.delete(event.cloudId);
    if (event.type === 'InstanceTerminated' && main) alive.delete(main);
  }
  return alive;
}

describe('any life', () => {
  it('is a fair sample: together they pass through every phase', () => {
    const sample = fc.sample(lives(60), { numRuns: 400, seed: 1 });
    expect(new Set(sample.flatMap(({ states }) => states.map(({ phase }) => phase))).size).toBe(PHASES.length);
    expect(sample.filter(({ states }) => states.some(({ handedOver }) => handedOver)).length).toBeGreaterThan(40);
    expect(sample.filter(({ events }) => events.some(({ type }) => type === 'CreateReleased')).length).toBeGreaterThan(
      10,
    );
  });

  it('has a gapless seq, and its state knows the newest', () =>
    holds(({ events, states }) => {
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_event, index) => index + 1));
      expect(states.at(-1)?.seq).toBe(events.length);
    }));

  it('has at most one machine at a time, for no create begins before the last machine is proved gone', () =>
    holds(({ events }) => {
      for (let end = 1; end <= events.length; end += 1) {
        const soFar = events.slice(0, end);
        const alive = living(soFar);
        expect(alive.size).toBeLessThanOrEqual(1);
        if (soFar.at(-1)?.type === 'CreateAttempted') expect(alive.size).toBe(0);
      }
    }));

  it('has a machine exactly where its phase stands on one, and none once it is terminated', () =>
    holds(({ states }) => {
      for (const { phase, machine } of states) {
        if (WITH_MACHINE.has(phase)) expect(machine, phase).toBeDefined();
        if (WITHOUT_MACHINE.has(phase)) expect(machine, phase).toBeUndefined();
      }
    }));

  it('is released only from a create whose outcome is unknown, and which leaves no machine and no doubt', () =>
    holds(({ events, states }) => {
      for (const [index, event] of events.entries()) {
        if (event.type !== 'CreateReleased') continue;
        expect(states[index - 1]?.attempts.at(-1)).toMatchObject({ attempt: event.attempt, outcome: 'unknown' });
        const after = states[index];
        expect(after).toMatchObject({ phase: 'placing', desired: states[index - 1]?.desired });
        expect(after?.attempts.at(-1)).toMatchObject({ attempt: event.attempt, outcome: 'failed', released: true });
      }
    }));

  it('never leaves terminated', () =>
    holds(({ states }) => {
      const phases = states.map(({ phase }) => phase);
      const end = phases.indexOf('terminated');
      if (end >= 0) expect(new Set(phases.slice(end))).toEqual(new Set(['terminated']));
    }));

  it('never forgets a wish to end it', () =>
    holds(({ states }) => {
      const wanted = states.findIndex(({ desired }) => desired === 'terminated');
      if (wanted >= 0) expect(states.slice(wanted).every(({ desired }) => desired === 'terminated')).toBe(true);
    }));

  it('keeps its machine once it was handed over, until the end', () =>
    holds(({ states }) => {
      const handed = states.find(({ handedOver }) => handedOver);
      const machines = states.filter(({ handedOver, phase }) => handedOver && phase !== 'terminated');
      expect(new Set(machines.map(({ machine }) => machine?.cloudId)).size).toBeLessThanOrEqual(handed ? 1 : 0);
    }));

  it('waits for stock only where a start is wanted of a stopped machine', () =>
    holds(({ states }) => {
      for (const { phase, startRetry } of states) if (startRetry) expect(['stopped', 'starting']).toContain(phase);
    }));

  it('is always in a phase that has a lifecycle status, and can be described', () =>
    holds(({ states }) => {
      for (const state of states) expect(toView(state).lifecycleStatus).toBe(LIFECYCLE_STATUS[state.phase]);
    }));

  it('folds to the same state, whole or step by step', () =>
    holds(({ events, states }) => expect(fold(events)).toEqual(states.at(-1))));

  it('survives JSON at every step: a state that was stored goes on as if it never was', () =>
    holds(({ events, states }) => {
      let stored = open(events[0] as InstanceEvent);
      for (const [index, event] of events.slice(1).entries()) {
        const { seq: _seq, at, ...fact } = JSON.parse(JSON.stringify(event)) as InstanceEvent;
        stored = JSON.parse(JSON.stringify(append(stored, [fact], at))) as InstanceState;
        expect(stored).toEqual(JSON.parse(JSON.stringify(states[index + 1])));
      }
    }));

  it('stays small: request ids and ended machines are bounded, wishes replace each other', () =>
    holds(({ states }) => {
      for (const { changes } of states) expect(new Set(changes.map(({ kind }) => kind)).size).toBe(changes.length);
    }));

  it('is left alone by an evolve that came before: states are never changed in place', () =>
    holds(({ events, states }) => {
      const kept = states.map((state) => JSON.stringify(state));
      fold(events);
      expect(states.map((state) => JSON.stringify(state))).toEqual(kept);
    }));
});
