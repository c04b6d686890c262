import type { RefId } from './ids.js';
import { type InstanceEvent, isFields } from './instance/index.js';

/**
 * What travels to the journal with an activity, as its last argument: arguments pass the payload codec, headers do not.
 * Its shape, and the receipt's, are an interface between versions.
 */
export interface JournalParcel {
  journal: {
    refId: RefId;
    /** The newest fact that the workflow knows to be in the journal; 0 when none is. */
    upTo: number;
    /** The facts after it, in order. None while the workflow believes that there is no journal. */
    events: readonly InstanceEvent[];
  };
}

/** How a worker that has a journal answers an activity: its result, and up to which fact the journal has them all. */
export interface Receipt {
  journaled: number;
  result?: unknown;
}

export function isParcel(argument: unknown): argument is JournalParcel {
  return isFields(argument) && Object.keys(argument).length === 1 && isFields(argument.journal);
}

export function isReceipt(answer: unknown): answer is Receipt {
  if (!isFields(answer) || typeof answer.journaled !== 'number') return false;
  return Object.keys(answer).every((key) => key === 'journaled' || key === 'result');
}
