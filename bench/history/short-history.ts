/**
 * An `instance` that was started with an empty request and failed in its first task, in the JSON of `temporal workflow
 * show`. Our bundle and `workflows/refusing.ts` both replay it, and do next to nothing: what is left is the start.
 */
export function shortHistory(): object {
  const json = (value: unknown) => ({
    metadata: { encoding: Buffer.from('json/plain').toString('base64') },
    data: Buffer.from(JSON.stringify(value)).toString('base64'),
  });
  const taskQueue = { name: 'replay', kind: 'TASK_QUEUE_KIND_NORMAL' };
  const at = (second: number) => `2026-11-23T00:00:0${second}Z`;
  const runId = '4b4f0f5a-6d5e-4d0f-9d5e-0d6f5a4b3c2d';
  return {
    events: [
      {
        eventId: '1',
        eventTime: at(0),
        eventType: 'EVENT_TYPE_WORKFLOW_EXECUTION_STARTED',
        workflowExecutionStartedEventAttributes: {
          workflowType: { name: 'instance' },
          taskQueue,
          input: { payloads: [json({ refId: 'start' })] },
          workflowTaskTimeout: '10s',
          originalExecutionRunId: runId,
          firstExecutionRunId: runId,
          attempt: 1,
        },
      },
      {
        eventId: '2',
        eventTime: at(0),
        eventType: 'EVENT_TYPE_WORKFLOW_TASK_SCHEDULED',
        workflowTaskScheduledEventAttributes: { taskQueue, startToCloseTimeout: '10s', attempt: 1 },
      },
      {
        eventId: '3',
        eventTime: at(1),
        eventType: 'EVENT_TYPE_WORKFLOW_TASK_STARTED',
        workflowTaskStartedEventAttributes: { scheduledEventId: '2', identity: 'bench', requestId: runId },
      },
      {
        eventId: '4',
        eventTime: at(2),
        eventType: 'EVENT_TYPE_WORKFLOW_TASK_COMPLETED',
        workflowTaskCompletedEventAttributes: { scheduledEventId: '2', startedEventId: '3', identity: 'bench' },
      },
      {
        eventId: '5',
        eventTime: at(2),
        eventType: 'EVENT_TYPE_WORKFLOW_EXECUTION_FAILED',
        workflowExecutionFailedEventAttributes: {
          workflowTaskCompletedEventId: '4',
          retryState: 'RETRY_STATE_RETRY_POLICY_NOT_SET',
          failure: { message: 'refused', applicationFailureInfo: { type: 'InvalidRequest', nonRetryable: true } },
        },
      },
    ],
  };
}
