import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { activityInfo } from '@temporalio/activity';
import { Client, Connection } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Patience, toApplicationFailure } from '../../src/activities/failure.js';
import { alive } from '../../src/activities/heartbeat.js';
import { ERROR_KINDS, type ErrorKind, ProviderError } from '../../src/domain/errors.js';
import type { ActivityClass } from '../../src/workflows/policies.js';
import type { FlakyActivities, FlakyInput, meetKinds, meetSilence } from '../support/policy-workflows.js';
import { installQuietRuntime } from '../support/slipway.js';

/*
 * What is retried, said a second time and by hand: the policies are derived from the error table, and this says what
 * must come of it. `ends`: one attempt, and the workflow gets the kind. `twice`: one more. All others: until it works.
 */
const SETTLED: ErrorKind[] = [
  'InsufficientResources',
  'OutOfQuota',
  'UnknownOutcome',
  'PermissionDenied',
  'ImageNotFound',
  'InvalidRequest',
  'DuplicateFirewallRule',
  'InstanceNotFound',
  'ResourceNotFound',
  'NotSupported',
  'WaitTimeout',
  'InstanceFailed',
  'SshUnreachable',
  'FirewallUnverified',
];

const EXPECTED: Record<ActivityClass, { ends: ErrorKind[]; twice?: ErrorKind[] }> = {
  create: { ends: [...SETTLED, 'Internal', 'NotYet'], twice: ['Unauthenticated'] },
  read: { ends: SETTLED, twice: ['Unauthenticated'] },
  command: { ends: SETTLED, twice: ['Unauthenticated'] },
  probe: { ends: [...SETTLED, 'Unauthenticated', 'NotYet'] },
  // What may bill is never given up, and a watcher neither.
  resolve: { ends: [] },
  end: { ends: [] },
  watch: { ends: [] },
  record: { ends: [] },
};

/** As the product's activities have it. */
const PATIENCE: Record<ActivityClass, Patience> = {
  create: 'short',
  read: 'bounded',
  command: 'bounded',
  probe: 'bounded',
  resolve: 'forever',
  end: 'forever',
  watch: 'forever',
  record: 'forever',
};

const activities: FlakyActivities = {
  flaky: ({ kind, failures, retryAfterMs, patience }) =>
    alive(
      async () => {
        const { attempt, scheduledTimestampMs } = activityInfo();
        if (attempt > failures) return { attempts: attempt, tookMs: Date.now() - scheduledTimestampMs };
        const message = `attempt ${attempt} met ${kind}`;
        throw new ProviderError({ kind, message, operation: 'flaky', httpStatus: 418, requestId: 'r-1', retryAfterMs });
      },
      { patience },
    ),
  silent: async ({ dies, beforeThat }) => {
    const { attempt } = activityInfo();
    if (beforeThat && attempt === 1)
      throw toApplicationFailure(new ProviderError({ kind: beforeThat, message: 'first' }));
    if (attempt > (beforeThat ? 2 : 1)) return { attempts: attempt };
    const mute = () => sleep(3_000, { attempts: attempt });
    return dies ? await mute() : await alive(mute);
  },
};

let worker: Worker;
let running: Promise<void>;
let client: Client;
const taskQueue = `policies-${randomUUID().slice(0, 8)}`;

beforeAll(async () => {
  const address = inject('temporalAddress');
  const workflowsPath = fileURLToPath(new URL('../support/policy-workflows.ts', import.meta.url));
  const ignore = () => undefined;
  installQuietRuntime();
  const logger = { log: ignore, trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore };
  const workflowBundle = await bundleWorkflowCode({ workflowsPath, logger });
  const connection = await NativeConnection.connect({ address });
  worker = await Worker.create({ connection, taskQueue, activities, workflowBundle });
  running = worker.run().finally(() => connection.close());
  client = new Client({ connection: await Connection.connect({ address }) });
});
afterAll(async () => {
  worker?.shutdown();
  await running;
  await client?.connection.close();
});

const run = { taskQueue, workflowId: '' };
const id = () => `policies/${randomUUID()}`;

describe.concurrent('what a real Temporal retries', () => {
  it.each(Object.keys(EXPECTED) as ActivityClass[])('of the class %s is what the error table says', async (name) => {
    const { ends, twice = [] } = EXPECTED[name];
    const failuresFor = (kind: ErrorKind) => (twice.includes(kind) ? 5 : 1);
    const inputs = ERROR_KINDS.map((kind): FlakyInput => {
      return { kind, failures: failuresFor(kind), patience: PATIENCE[name] };
    });
    const options = { ...run, workflowId: id(), args: [name, inputs] as [ActivityClass, FlakyInput[]] };
    const verdicts = await client.workflow.execute<typeof meetKinds>('meetKinds', options);
    const seen = Object.fromEntries(ERROR_KINDS.map((kind, index) => [kind, verdicts[index]]));
    for (const kind of ERROR_KINDS) {
      const last = twice.includes(kind) ? 2 : 1;
      const fact = {
        kind,
        message: `attempt ${last} met ${kind}`,
        operation: 'flaky',
        httpStatus: 418,
        requestId: 'r-1',
      };
      const isOver = ends.includes(kind) || twice.includes(kind);
      expect(seen[kind], kind).toMatchObject(isOver ? { fact, failureType: kind } : { attempts: 2 });
    }
  });

  it('waits as long as the provider said, whatever the policy’s own gaps', async () => {
    const input: FlakyInput = { kind: 'RateLimited', failures: 1, retryAfterMs: 1_200, patience: 'short' };
    const options = { ...run, workflowId: id(), args: ['create', [input]] as [ActivityClass, FlakyInput[]] };
    const [verdict] = await client.workflow.execute<typeof meetKinds>('meetKinds', options);
    expect(verdict).toMatchObject({ attempts: 2 });
    expect((verdict as { tookMs: number }).tookMs).toBeGreaterThanOrEqual(1_200);
  });

  const silence = async (name: ActivityClass, input: { dies: boolean; beforeThat?: ErrorKind }) => {
    const options = { ...run, workflowId: id(), args: [name, input] as Parameters<typeof meetSilence> };
    return await client.workflow.execute<typeof meetSilence>('meetSilence', options);
  };

  it.each([
    ['whose worker died', true],
    ['that ran out of time', false],
  ])('is never a create %s: it may have worked, and becomes an unknown outcome', async (_how, dies) => {
    expect(await silence('create', { dies })).toMatchObject({ fact: { kind: 'UnknownOutcome' } });
  });

  it('is no reason to take an earlier refusal for the answer of a create that then ran out of time', async () => {
    const verdict = await silence('create', { dies: true, beforeThat: 'RateLimited' });
    expect(verdict).toMatchObject({ fact: { kind: 'UnknownOutcome' } });
  });

  it.each(['read', 'command', 'resolve', 'end', 'probe', 'watch'] as const)(
    'is the class %s when its worker died: another goes on',
    async (name) => {
      expect(await silence(name, { dies: true })).toMatchObject({ attempts: 2 });
    },
  );
});

describe('an outage', () => {
  it('holds up a create for a minute and no longer: then the next offer is tried', async () => {
    const outage = new ProviderError({ kind: 'ServiceUnavailable', message: '503' });
    const failureAfter = async (ms: number, patience: Patience) => {
      const environment = new MockActivityEnvironment({ scheduledTimestampMs: Date.now() - ms });
      return await environment.run(async () => toApplicationFailure(outage, patience));
    };
    expect(await failureAfter(59_000, 'short')).toMatchObject({ nonRetryable: false });
    expect(await failureAfter(61_000, 'short')).toMatchObject({ nonRetryable: true });
    expect(await failureAfter(61_000, 'forever'), 'a termination is never given up').toMatchObject({
      nonRetryable: false,
    });
  });
});
