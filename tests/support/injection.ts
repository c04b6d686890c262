import { activityInfo, Context } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor, WorkerInterceptors } from '@temporalio/worker';
import { toApplicationFailure } from '../../src/activities/failure.js';

/** What can befall one call of an activity, whatever the activity does. */
export const MISHAPS = ['fails before the work', 'fails after the work', 'is made twice', 'never answers'] as const;
export type Mishap = (typeof MISHAPS)[number];

/**
 * Breaks one activity call of each instance: the n-th that its workflow makes. Counts calls, not their retries, so that
 * a scenario can be walked call by call until there is no n-th one any more.
 */
export class Injection {
  private readonly plans = new Map<string, { call: number; mishap: Mishap }>();
  private readonly calls = new Map<string, string[]>();
  private readonly struck = new Map<string, string>();

  plan(refId: string, call: number, mishap: Mishap): void {
    this.plans.set(refId, { call, mishap });
  }

  /** The activity that was broken; undefined when the instance had not that many calls. */
  struckAt(refId: string): string | undefined {
    return this.struck.get(refId);
  }

  get interceptors(): WorkerInterceptors {
    const inbound: ActivityInboundCallsInterceptor = {
      execute: async (input, next) => {
        const { workflowExecution, activityId, activityType } = activityInfo();
        const refId = (workflowExecution?.workflowId ?? '').replace(/^instance\//, '');
        const plan = this.plans.get(refId);
        if (!plan || activityType === 'watchAccount') return await next(input);
        const calls = this.calls.get(refId) ?? [];
        if (!calls.includes(activityId)) calls.push(activityId);
        this.calls.set(refId, calls);
        const isTheOne = calls.indexOf(activityId) === plan.call && !this.struck.has(refId);
        if (!isTheOne) return await next(input);
        this.struck.set(refId, activityType);
        switch (plan.mishap) {
          case 'fails before the work':
            throw toApplicationFailure(new Error('injected'));
          case 'fails after the work':
            await next(input);
            throw toApplicationFailure(new Error('injected'));
          case 'is made twice':
            await next(input);
            return await next(input);
          case 'never answers':
            await next(input);
            // Without a heartbeat the server gives it up; then the wait is cancelled.
            return await Context.current().cancelled;
        }
      },
    };
    return { activity: [() => ({ inbound })] };
  }
}
