import type { Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { instanceWorkflowId } from '../../src/domain/ids.js';

export interface HistoryEvent {
  id: number;
  /** Without its prefix: `ActivityTaskScheduled`. */
  type: string;
  /** Of scheduled activities. */
  activityType?: string;
  /** Of workflow tasks that failed: `UNHANDLED_COMMAND`. */
  cause?: string;
}

const { WorkflowTaskFailedCause } = temporal.api.enums.v1;

/** The instance's present run, event by event. */
export async function historyOf(client: Client, refId: string): Promise<HistoryEvent[]> {
  const { events } = await client.workflow.getHandle(instanceWorkflowId(refId)).fetchHistory();
  return (events ?? []).map((event) => {
    const [attributes] = Object.keys(event).filter((key) => key.endsWith('EventAttributes') && event[key as 'eventId']);
    const activityType = event.activityTaskScheduledEventAttributes?.activityType?.name;
    const failed = event.workflowTaskFailedEventAttributes?.cause;
    const type = (attributes ?? 'unknown').replace(/EventAttributes$/, '');
    return {
      id: Number(event.eventId),
      type: `${type[0]?.toUpperCase()}${type.slice(1)}`,
      ...(activityType && { activityType }),
      ...(failed && { cause: WorkflowTaskFailedCause[failed].replace('WORKFLOW_TASK_FAILED_CAUSE_', '') }),
    };
  });
}

/**
 * Workflow tasks that failed because of our code. A signal that arrives while a task ends the workflow makes the server
 * refuse that end (`UNHANDLED_COMMAND`) and give the task again, with the signal: that is how nothing gets lost.
 */
export function brokenTasks(history: readonly HistoryEvent[]): HistoryEvent[] {
  return history.filter(({ type, cause }) => type === 'WorkflowTaskFailed' && cause !== 'UNHANDLED_COMMAND');
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
