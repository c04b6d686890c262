import type { Client } from '@temporalio/client';
import { instanceWorkflowId } from '../../src/domain/ids.js';

export interface HistoryEvent {
  id: number;
  /** Without its prefix: `ActivityTaskScheduled`. */
  type: string;
  /** Of scheduled activities. */
  activityType?: string;
}

/** The instance's present run, event by event. */
export async function historyOf(client: Client, refId: string): Promise<HistoryEvent[]> {
  const { events } = await client.workflow.getHandle(instanceWorkflowId(refId)).fetchHistory();
  return (events ?? []).map((event) => {
    const [attributes] = Object.keys(event).filter((key) => key.endsWith('EventAttributes') && event[key as 'eventId']);
    const activityType = event.activityTaskScheduledEventAttributes?.activityType?.name;
    const type = (attributes ?? 'unknown').replace(/EventAttributes$/, '');
    return {
      id: Number(event.eventId),
      type: `${type[0]?.toUpperCase()}${type.slice(1)}`,
      ...(activityType && { activityType }),
    };
  });
}

/** What Temporal Cloud bills for (spec/temporal.md section 3): starts, activities, timers, signals, updates, upserts. */
const BILLED: ReadonlySet<string> = new Set([
  'WorkflowExecutionStarted',
  'ActivityTaskScheduled',
  'TimerStarted',
  'WorkflowExecutionSignaled',
  'WorkflowExecutionUpdateAccepted',
  'UpsertWorkflowSearchAttributes',
  'WorkflowExecutionContinuedAsNew',
]);

export function billableActions(history: readonly HistoryEvent[]): number {
  return history.filter(({ type }) => BILLED.has(type)).length;
}
