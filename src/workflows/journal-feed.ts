import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import type {
  ActivityInput,
  Next,
  WorkflowInterceptorsFactory,
  WorkflowOutboundCallsInterceptor,
} from '@temporalio/workflow';
import { isReceipt } from '../domain/journaling.js';
import type { Instance } from './entity.js';

/**
 * Sends an instance's facts to the journal with the activities that follow them: an intent is stored before the provider
 * is called, and no activity is added for it. Each activity carries what the journal is not known to have; the worker
 * stores that before the work, and its answer says up to where. What was not confirmed is sent again.
 *
 * A worker without a journal answers plainly. From then on no facts are sent, only the question whether that is still so.
 */
class JournalFeed implements WorkflowOutboundCallsInterceptor {
  instance: Instance | undefined;

  async scheduleActivity(input: ActivityInput, next: Next<WorkflowOutboundCallsInterceptor, 'scheduleActivity'>) {
    const { instance } = this;
    if (!instance) return await next(input);
    const parcel = instance.unjournaled.parcel(input.activityType);
    try {
      const answer = await next({ ...input, args: [...input.args, parcel] });
      instance.confirm(parcel, isReceipt(answer) ? answer.journaled : undefined);
      return isReceipt(answer) ? answer.result : answer;
    } catch (error) {
      const cause = error instanceof ActivityFailure ? error.cause : undefined;
      // What the server made of a silent worker says nothing about the journal.
      if (cause instanceof ApplicationFailure) instance.confirm(parcel, receiptIn(cause.details)?.journaled);
      throw error;
    }
  }
}

/** A worker puts the receipt of a failed activity behind the failure's own details. */
function receiptIn(details: unknown[] | null | undefined) {
  return details?.find(isReceipt);
}

/** Modules are loaded anew for each workflow: this one is this workflow's own. */
const feed = new JournalFeed();

/** From now on this workflow's activities carry this instance's facts. */
export function feedJournal(instance: Instance): void {
  feed.instance = instance;
}

export const interceptors: WorkflowInterceptorsFactory = () => ({ outbound: [feed] });
