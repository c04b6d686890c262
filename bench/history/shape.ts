import type { temporal } from '@temporalio/proto';
import type { BarePlan } from '../workflows/bare.js';

type History = temporal.api.history.v1.IHistory;
type Payloads = temporal.api.common.v1.IPayloads | null | undefined;

/** What one provision moved, as its history has it; sizes in bytes of data. */
export interface Shape {
  startBytes: number;
  activities: { name: string; inputBytes: number; resultBytes: number }[];
  /** How often it wrote search attributes. */
  upserts: number;
}

export function shapeOf({ events }: History): Shape {
  const shape: Shape = { startBytes: 0, activities: [], upserts: 0 };
  const scheduled = new Map<string, Shape['activities'][number]>();
  for (const event of events ?? []) {
    const started = event.workflowExecutionStartedEventAttributes;
    if (started) shape.startBytes = bytes(started.input);
    if (event.upsertWorkflowSearchAttributesEventAttributes) shape.upserts += 1;
    const asked = event.activityTaskScheduledEventAttributes;
    if (asked) {
      const activity = { name: asked.activityType?.name ?? '', inputBytes: bytes(asked.input), resultBytes: 0 };
      scheduled.set(String(event.eventId), activity);
      shape.activities.push(activity);
    }
    const done = event.activityTaskCompletedEventAttributes;
    const which = done && scheduled.get(String(done.scheduledEventId));
    if (which) which.resultBytes = bytes(done.result);
  }
  return shape;
}

/** The bare workflow that moves as much: what it sends itself around a text (quotes, a number) is taken off. */
export function toBarePlan({ startBytes, activities }: Shape): BarePlan {
  const plan: BarePlan = {
    activities: activities.map(({ inputBytes, resultBytes }) => {
      const result = Math.max(0, resultBytes - 2);
      return { inputBytes: Math.max(0, inputBytes - 2 - String(result).length), resultBytes: result };
    }),
    padding: '',
  };
  const own = JSON.stringify(plan).length;
  return { ...plan, padding: 'x'.repeat(Math.max(0, startBytes - own)) };
}

function bytes(payloads: Payloads): number {
  return (payloads?.payloads ?? []).reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
}
