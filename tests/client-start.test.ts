import type { WorkflowClient } from '@temporalio/client';
import { describe, expect, it } from 'vitest';
import { startInstance } from '../src/client/start.js';
import type { InstanceRequestInput } from '../src/domain/instance/index.js';

const offer = { cloudCredRefId: 'main', location: 'us-west-1', instanceType: 'gpu_1x_a10' };
const request: InstanceRequestInput = { refId: 'r-1', name: 'n', publicKey: 'ssh-ed25519 AAAA', offers: [offer] };
const refused = (code: number, details: string) =>
  Object.assign(new Error(`${code}: ${details}`), { code, details, metadata: {} });

/** Answers each start in turn; remembers the search attributes it was given. */
function server(...answers: (Error | 'started')[]) {
  const attributes: Record<string, unknown>[] = [];
  const start = async (
    _type: string,
    options: { typedSearchAttributes: { key: { name: string }; value: unknown }[] },
  ) => {
    attributes.push(Object.fromEntries(options.typedSearchAttributes.map(({ key, value }) => [key.name, value])));
    const answer = answers.shift() ?? 'started';
    if (answer !== 'started') throw answer;
    return answer;
  };
  return { attributes, workflows: { start } as unknown as WorkflowClient };
}

describe('starting an instance', () => {
  it('sends what the workflow would write first', async () => {
    const { workflows, attributes } = server();
    await startInstance(workflows, 'slipway', request);
    expect(attributes).toEqual([
      {
        SlipwayPhase: 'creating',
        SlipwayCredential: 'main',
        SlipwayLocation: 'us-west-1',
        SlipwayInstanceType: 'gpu_1x_a10',
      },
    ]);
  });

  it('works on a server that no worker has prepared yet', async () => {
    const { workflows, attributes } = server(
      refused(3, 'Namespace default has no mapping defined for search attribute SlipwayPhase'),
    );
    await startInstance(workflows, 'slipway', request);
    expect(attributes[1]).toEqual({});
  });

  it.each([refused(3, 'WorkflowId length exceeds limit'), refused(14, 'search attribute service unavailable')])(
    'passes on what is about something else: %s',
    async (error) => {
      const { workflows, attributes } = server(error);
      await expect(startInstance(workflows, 'slipway', request)).rejects.toBe(error);
      expect(attributes).toHaveLength(1);
    },
  );
});
