import type { temporal } from '@temporalio/proto';

type Event = temporal.api.history.v1.IHistoryEvent;

/*
 * What Temporal Cloud bills as actions, as far as a history shows it (docs.temporal.io/cloud/actions, read 2026-11): a
 * start, a continue-as-new, a signal, an update, a timer, an attempt of an activity, an upsert of search attributes.
 * A heartbeat that reaches the server is one as well, and leaves no event: `Slipway.heartbeats` counts those. A query is
 * one for whoever asks, and an event neither.
 */

/** Of one event, in the histories that our workflows write. A run that follows another was billed as its continue-as-new. */
function actionsOf(event: Event): number {
  if (event.workflowExecutionStartedEventAttributes) return 1;
  if (event.workflowExecutionSignaledEventAttributes) return 1;
  if (event.workflowExecutionUpdateAcceptedEventAttributes) return 1;
  if (event.timerStartedEventAttributes) return 1;
  if (event.upsertWorkflowSearchAttributesEventAttributes) return 1;
  // One event for all attempts: it says which attempt was the last.
  if (event.activityTaskStartedEventAttributes) return event.activityTaskStartedEventAttributes.attempt ?? 1;
  return 0;
}

export function countActions(events: readonly Event[]): number {
  return events.reduce((sum, event) => sum + actionsOf(event), 0);
}
