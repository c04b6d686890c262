import type { Client } from '@temporalio/client';
import { until } from '../stage/wait.js';
import { countActions } from './actions.js';

/** What an execution has cost so far. */
export interface Reading {
  events: number;
  actions: number;
  bytes: number;
}

/** No task under way and nothing new for this long, in ms: what a step costs is on record. */
const QUIET_MS = 1_500;

/** Waits until the workflow is at rest, or over, and reads its history. Bytes are as the server counts them. */
export async function readAtRest(client: Client, workflowId: string): Promise<Reading> {
  const handle = client.workflow.getHandle(workflowId);
  let length = -1;
  let since = Date.now();
  await until(`${workflowId} to come to rest`, async () => {
    const { raw, historyLength } = await handle.describe();
    const isAtWork = Boolean(raw.pendingWorkflowTask) || (raw.pendingActivities?.length ?? 0) > 0;
    if (historyLength !== length || isAtWork) {
      length = historyLength;
      since = Date.now();
    }
    return Date.now() - since >= QUIET_MS;
  });
  return await read(client, workflowId);
}

export async function read(client: Client, workflowId: string): Promise<Reading> {
  const handle = client.workflow.getHandle(workflowId);
  const { historySize = 0 } = await handle.describe();
  const { events } = await handle.fetchHistory();
  return { events: events?.length ?? 0, actions: countActions(events ?? []), bytes: historySize };
}

export function since(before: Reading, after: Reading): Reading {
  return {
    events: after.events - before.events,
    actions: after.actions - before.actions,
    bytes: after.bytes - before.bytes,
  };
}
