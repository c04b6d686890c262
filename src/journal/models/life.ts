import type { IsoTime, RefId } from '../../domain/ids.js';
import { evolve, type InstanceEvent, type InstanceState, open } from '../../domain/instance/index.js';
import { type AttemptFact, advanceAttempts } from './attempts.js';
import { advanceMachines, type MachineFact } from './machines.js';
import { resumedAttempts, resumedMachines } from './resumed.js';

/**
 * Everything the read models say about one instance, folded from its events and from nothing else. Each append folds
 * on from the last life, a rebuild folds from the first event, and both write what `toRows` makes of the result: so
 * they cannot disagree.
 */
export interface Life {
  readonly refId: RefId;
  readonly seq: number;
  readonly state: InstanceState;
  readonly createdAt: IsoTime;
  readonly updatedAt: IsoTime;
  /** The first time. */
  readonly readyAt?: IsoTime;
  readonly terminatedAt?: IsoTime;
  readonly attempts: readonly AttemptFact[];
  readonly machines: readonly MachineFact[];
  /** Why the events from here on could not be folded: they are stored all the same, and the models stand still. */
  readonly fault?: string;
}

/** @throws {CorruptHistoryError} When a life begins with anything but its request, or what became of it. */
export function begin(event: InstanceEvent): Life {
  const state = open(event);
  const { refId, seq } = state;
  const life: Life = { refId, seq, state, createdAt: event.at, updatedAt: event.at, attempts: [], machines: [] };
  return event.type === 'FactsLost' ? resume(life, event) : life;
}

/** Goes on from a state that is given: also where the events before it could not be folded. */
function resume({ fault: _, ...life }: Life, event: InstanceEvent): Life {
  const state = open(event);
  const terminatedAt = state.terminated?.at;
  return {
    ...life,
    seq: event.seq,
    updatedAt: event.at,
    state,
    ...(terminatedAt && { terminatedAt }),
    attempts: resumedAttempts(life.attempts, state),
    machines: resumedMachines(life.machines, event, state),
  };
}

/** Never throws for an event that does not fit: facts are kept, and the fault is named. Does not change `life`. */
export function advance(life: Life, event: InstanceEvent): Life {
  if (event.type === 'FactsLost') return resume(life, event);
  const moved = { ...life, seq: event.seq, updatedAt: event.at };
  if (life.fault !== undefined) return moved;
  try {
    const state = evolve(life.state, event);
    return {
      ...moved,
      state,
      ...(event.type === 'InstanceReady' && !life.readyAt && { readyAt: event.at }),
      ...(event.type === 'InstanceTerminated' && { terminatedAt: event.at }),
      attempts: advanceAttempts(life.attempts, event, state),
      machines: advanceMachines(life.machines, event, life.state),
    };
  } catch (error) {
    return { ...moved, fault: error instanceof Error ? error.message : String(error) };
  }
}

export function foldLife(events: readonly InstanceEvent[]): Life | undefined {
  const [first, ...rest] = events;
  return first && rest.reduce(advance, begin(first));
}
