import { randomUUID } from 'node:crypto';
import PQueue from 'p-queue';
import type { BarePlan } from '../workflows/bare.js';
import { each, LOOK_MS } from './fleet.js';
import type { Bare, Stage } from './stage.js';
import { until } from './wait.js';

const CALLERS = 50;

/** Starts bare workflows as `Fleet` starts instances, and waits for them in the same way. */
export class BareFleet {
  constructor(
    private readonly stage: Stage,
    private readonly bare: Bare,
    private readonly plan: BarePlan,
  ) {}

  /** @returns how long it took from the first start until the last was done, in ms. */
  async run(count: number): Promise<number> {
    const prefix = `bare-${randomUUID().slice(0, 8)}`;
    const ids = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
    const { workflow } = this.stage.temporal;
    const queue = new PQueue({ concurrency: CALLERS });
    const startedAt = Date.now();
    const start = (workflowId: string) =>
      workflow.start('bare', { workflowId, taskQueue: this.bare.taskQueue, args: [this.plan] });
    await queue.addAll(ids.map((id) => () => start(id)));
    const query = `WorkflowId STARTS_WITH "${prefix}-" AND ExecutionStatus = "Completed"`;
    await until(
      `${count} bare workflows to end`,
      async () => {
        this.bare.mustLive();
        return (await workflow.count(query)).count === count;
      },
      { everyMs: LOOK_MS },
    );
    const doneAt = await each(ids, (id) => workflow.getHandle<() => Promise<number>>(id).result());
    return Math.max(...doneAt) - startedAt;
  }
}
