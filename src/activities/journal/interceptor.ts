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

/** What waits for the journal. Everything else goes on without it, and its facts are delivered later. */
const HELD_BACK: ReadonlySet<string> = new Set<keyof InstanceActivities>([
  'createInstance', // nothing is bought of which only Temporal knows
  'recordEvents',
]);
/** How soon a create that was held back is tried again, in ms. */
const HELD_BACK_MS = 5_000;
/** A short absence goes by unseen; after this, in ms, the instance records why it waits, and `describe` tells. */
const UNSEEN_MS = 15_000;

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
        if (HELD_BACK.has(activityType)) throw withReceipt(heldBack(error), receipt);
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

function heldBack({ message }: JournalDown): ApplicationFailure {
  const { activityType, scheduledTimestampMs } = activityInfo();
  if (activityType === 'recordEvents') return ApplicationFailure.retryable(message, 'JournalDown');
  const fact: FailureFact = {
    kind: 'ServiceUnavailable',
    operation: activityType,
    message: `Held back, and nothing was asked of the provider: ${message}`,
    retryAfterMs: HELD_BACK_MS,
    isRemembered: true, // the provider said nothing: no attempt is counted
  };
  return ApplicationFailure.create({
    type: fact.kind,
    message: fact.message,
    details: [fact],
    nonRetryable: Date.now() - scheduledTimestampMs > UNSEEN_MS,
    nextRetryDelay: HELD_BACK_MS,
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
