import { defineSearchAttributeKey } from '@temporalio/common';
import { proxyActivities, sleep, upsertSearchAttributes } from '@temporalio/workflow';

/** What a provision moves, without what it means. In bytes. */
export interface BarePlan {
  activities: readonly { inputBytes: number; resultBytes: number }[];
  /** Makes the start as large as a real request. */
  padding: string;
  /** Writes as many search attributes as a provision besides, and is woken once as often: what the engine has to do for one. */
  alike?: { searchAttribute: string; upserts: number };
}

const { bare: work } = proxyActivities<{ bare(input: string, resultBytes: number): Promise<string> }>({
  startToCloseTimeout: 60_000,
});

/** As many activities as a provision, one after the other, with inputs and results of the same sizes. @returns epoch ms. */
export async function bare({ activities, alike }: BarePlan): Promise<number> {
  for (const [index, { inputBytes, resultBytes }] of activities.entries()) {
    await work('x'.repeat(inputBytes), resultBytes);
    if (!alike) continue;
    if (index < alike.upserts) tell(alike.searchAttribute, `after ${index + 1}`);
    if (index === 0) await sleep(1); // a provision waits here for its machine to run
  }
  return Date.now();
}

function tell(searchAttribute: string, value: string): void {
  upsertSearchAttributes([{ key: defineSearchAttributeKey(searchAttribute, 'KEYWORD'), value }]);
}
