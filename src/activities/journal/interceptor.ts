import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import type { FailureFact } from '../../domain/errors.js';
import { isParcel, type JournalParcel, type Receipt } from '../../domain/journaling.js';
import type { InstanceActivities } from '../types.js';

/** Where facts go. Ours is `FactKeeper`. */
export interface FactSink {
  /**
   * Stores a parcel's facts; answers up to which one the journal has them all.
   * @throws {JournalDown} it does not answer, or does not take them: it may have happened, and is safe to repeat. Nothing
   *   else is thrown.
   */
  keep(parcel: JournalParcel['journal'], runId: string): Promise<number>;
}

/** The facts are not known to be in the journal. `message` is for people, and holds no password. */
export class JournalDown extends Error {
  override readonly name = 'JournalDown';
}

/** Waits for the journal: nothing is bought of which only Temporal knows. */
const CREATE: keyof InstanceActivities = 'createInstance';
/** Has no other work. All but these two go on without the journal, and their facts are delivered later. */
const RECORD: keyof InstanceActivities = 'recordEvents';
/** How soon a create that was held back is tried again, in ms. Each that is recorded doubles it: a log that nobody takes grows. */
const HELD_BACK_MS = { first: 5_000, ceiling: 300_000 };
/** A short absence goes by unseen; after this, in ms, the instance records why it waits, and `describe` tells. */
const UNSEEN_MS = 15_000;
/** Once it is told, a create waits this long before it is recorded again, in ms; a terminate waits with it. */
const TOLD_MS = 60_000;

/**
 * Takes the facts that came with an activity to the journal, before the activity's work. The answer, also a failure,
 * then says up to where the journal has them.
 */
export function journaling(facts: FactSink): ActivityInboundCallsInterceptor {
  return {
    execute: async (input, next) => {
      const parcel = input.args.at(-1);
      if (!isParcel(parcel)) return await next(input);
      const { activityType, workflowExecution } = activityInfo();
      const receipt: Receipt = { journaled: parcel.journal.upTo };
      try {
        receipt.journaled = await facts.keep(parcel.journal, workflowExecution?.runId ?? '');
      } catch (error) {
        if (!(error instanceof JournalDown)) throw error;
        if (activityType === RECORD) {
          throw withReceipt(ApplicationFailure.retryable(error.message, error.name), receipt);
        }
        if (activityType === CREATE) throw withReceipt(heldBack(error.message, parcel), receipt);
      }
      if (activityType === CREATE && receipt.journaled < intentOf(parcel)) {
        // Only the workflow can mend that, with other facts: it is told at once.
        const message = `The journal lacks facts from number ${receipt.journaled + 1} on`;
        throw withReceipt(heldBack(message, parcel, { atOnce: true }), receipt);
      }
      try {
        const result = await next({ ...input, args: input.args.slice(0, -1) });
        return { ...receipt, ...(result !== undefined && { result }) };
      } catch (error) {
        throw error instanceof ApplicationFailure ? withReceipt(error, receipt) : error;
      }
    },
  };
}

/** The number of the newest fact: a create follows it. None came from a workflow that does not know of the journal yet. */
function intentOf({ journal }: JournalParcel): number {
  return journal.events.at(-1)?.seq ?? Number.POSITIVE_INFINITY;
}

/** A create that was not sent, as a failure that says so. It tries by itself until it is time that the instance records why. */
function heldBack(why: string, { journal }: JournalParcel, { atOnce = false } = {}): ApplicationFailure {
  const { activityType, scheduledTimestampMs } = activityInfo();
  // What the journal has not taken tells how often this was recorded since it went away.
  const told = journal.events.filter(
    (event) => event.type === 'ProviderUnavailable' && event.failure.isRemembered,
  ).length;
  const fact: FailureFact = {
    kind: 'ServiceUnavailable',
    operation: activityType,
    message: `Held back, and nothing was asked of the provider: ${why}`,
    retryAfterMs: Math.min(HELD_BACK_MS.first * 2 ** told, HELD_BACK_MS.ceiling),
    isRemembered: true, // the provider said nothing: no attempt is counted
  };
  const patienceMs = told > 0 ? TOLD_MS : UNSEEN_MS;
  return ApplicationFailure.create({
    type: fact.kind,
    message: fact.message,
    details: [fact],
    nonRetryable: atOnce || Date.now() - scheduledTimestampMs > patienceMs,
    nextRetryDelay: HELD_BACK_MS.first,
  });
}

/** The same failure, with the receipt behind its own details. */
function withReceipt(failure: ApplicationFailure, receipt: Receipt): ApplicationFailure {
  const { message, cause } = failure;
  return ApplicationFailure.create({
    type: failure.type ?? undefined,
    message,
    nonRetryable: failure.nonRetryable ?? undefined,
    details: [...(failure.details ?? []), receipt],
    nextRetryDelay: failure.nextRetryDelay ?? undefined,
    category: failure.category ?? undefined,
    cause,
  });
}
