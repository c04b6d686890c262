import { expect } from 'vitest';
import { type IsoTime, toEpochMs, toIsoTime } from '../../src/domain/ids.js';
import {
  COMMANDS,
  type Command,
  type CommandName,
  CommandRefused,
  type CommandStamp,
  decide,
  evolve,
  type Finding,
  fold,
  type InstanceEvent,
  type InstanceFact,
  type InstanceState,
  record,
} from '../../src/domain/instance/index.js';

export const START: IsoTime = '2026-03-01T12:00:00.000Z';

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
/** A command as a test writes it: the requestId may be left out. */
export type Ask = DistributiveOmit<Command, keyof CommandStamp> & Partial<CommandStamp>;
/** Part of a fact: its type, and the fields a test is about. */
export type Expected = { type: InstanceFact['type'] } & Record<string, unknown>;

/** Facts with their place in a life: one a second, from `START`. */
export function stamped(facts: readonly InstanceFact[]): InstanceEvent[] {
  return facts.map((fact, index) => ({ ...fact, seq: index + 1, at: later(START, index * 1_000) }));
}

export function later(time: IsoTime, ms: number): IsoTime {
  return toIsoTime(toEpochMs(time) + ms);
}

/** The state after these facts. */
export function stateAfter(...facts: InstanceFact[]): InstanceState {
  return fold(stamped(facts));
}

/** Appends facts to a state, as the workflow does. */
export function append(state: InstanceState, facts: readonly InstanceFact[], at: IsoTime): InstanceState {
  return facts.reduce((now, fact) => evolve(now, { ...fact, seq: now.seq + 1, at }), state);
}

export function isCommand(input: Ask | Finding): input is Ask {
  return COMMANDS.includes(input.type as CommandName);
}

/** What an input makes of a state: facts, or a refusal thrown. */
export function answer(state: InstanceState, input: Ask | Finding, now: IsoTime): InstanceFact[] {
  if (isCommand(input)) return decide(state, { requestId: 'r-1', ...input } as Command);
  return record(state, input, now);
}

/** `given(…facts).when(command or finding).then(…facts)`, as in the house style. */
export function given(...facts: InstanceFact[]) {
  const state = stateAfter(...facts);
  const next = later(START, facts.length * 1_000);
  return {
    state,
    when: (input: Ask | Finding, now: IsoTime = next) => {
      const answered = () => answer(state, input, now);
      return {
        /** These facts, in this order, and no others. */
        // biome-ignore lint/suspicious/noThenProperty: given/when/then; nobody awaits it, and an await would be an error
        then: (...expected: Expected[]): InstanceState => {
          const got = answered();
          expect(got).toMatchObject(expected);
          return append(state, got, now);
        },
        thenNothing: (): void => expect(answered()).toEqual([]),
        thenRefused: (kind: CommandRefused['kind'], about?: string): void => {
          expect(answered).toThrow(CommandRefused);
          try {
            answered();
          } catch (error) {
            expect(error).toMatchObject({ kind });
            if (about) expect((error as Error).message).toContain(about);
          }
        },
      };
    },
  };
}
