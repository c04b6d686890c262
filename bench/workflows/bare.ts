import { proxyActivities } from '@temporalio/workflow';

/** What a provision moves, without what it means. In bytes. */
export interface BarePlan {
  activities: readonly { inputBytes: number; resultBytes: number }[];
  /** Makes the start as large as a real request. */
  padding: string;
}

const { bare: work } = proxyActivities<{ bare(input: string, resultBytes: number): Promise<string> }>({
  startToCloseTimeout: 60_000,
});

/** As many activities as a provision, one after the other, with inputs and results of the same sizes. @returns epoch ms. */
export async function bare({ activities }: BarePlan): Promise<number> {
  for (const { inputBytes, resultBytes } of activities) await work('x'.repeat(inputBytes), resultBytes);
  return Date.now();
}
