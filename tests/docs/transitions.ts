import type { IsoTime } from '../../src/domain/ids.js';
import { type InstanceState, open, type Phase } from '../../src/domain/instance/index.js';
import { factsOf, inputsFor } from '../domain/explore.js';
import { requested } from '../domain/stories.js';
import { append, later, START } from '../support/given.js';

/** What can make a difference to where a life goes next. States alike in this are explored once. */
function likeness(state: InstanceState): string {
  const { phase, desired, rebootWanted, handedOver, machine, debts, startRetry, awaitingUntil, attempts } = state;
  const last = attempts.at(-1);
  const isReleased = machine !== undefined && state.ended.includes(machine.cloudId);
  const owed = debts.map(({ cause }) => cause).sort();
  const round = attempts.filter(({ attempt }) => attempt > state.roundFrom).length;
  return JSON.stringify([
    phase,
    [desired, rebootWanted, handedOver, isReleased, owed, startRetry !== undefined, awaitingUntil !== undefined],
    [machine !== undefined, last?.outcome, last?.failure?.kind, round],
  ]);
}

/** Time matters to placement and to starts without stock: soon, and long after every deadline. */
const gapsOf = (phase: Phase) => (phase === 'placing' || phase === 'starting' ? [1_000, 2 * 3_600_000] : [1_000]);

/** Every change of phase that some life can have, as `from --> to`: by trying everything everywhere. */
export function reachableTransitions(): Set<string> {
  const edges = new Set<string>();
  for (const onFailure of ['park', 'terminate'] as const) {
    const first = open({ ...requested({ policy: { maxOffers: 2, onFailure } }), seq: 1, at: START });
    const seen = new Set([likeness(first)]);
    const queue: { state: InstanceState; at: IsoTime }[] = [{ state: first, at: START }];
    for (let next = queue.shift(); next; next = queue.shift()) {
      for (const now of gapsOf(next.state.phase).map((gap) => later(next.at, gap))) {
        for (const input of inputsFor(next.state, now)) {
          let state = next.state;
          for (const fact of factsOf(state, input, now)) {
            const before: Phase = state.phase;
            state = append(state, [fact], now);
            if (state.phase !== before) edges.add(`${before} --> ${state.phase}`);
          }
          if (seen.has(likeness(state))) continue;
          seen.add(likeness(state));
          queue.push({ state, at: now });
        }
      }
    }
  }
  return edges;
}
