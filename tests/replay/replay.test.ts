import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { instanceWorkflowId, watchWorkflowId } from '../../src/domain/ids.js';
import { recordHistories, SCENARIO_NAMES } from '../support/record-histories.js';
import { installQuietRuntime } from '../support/slipway.js';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const recordAs = process.env.SLIPWAY_RECORD; // see tests/support/record-histories.ts
if (recordAs !== undefined && !/^[\w.-]+$/.test(recordAs)) throw new Error('SLIPWAY_RECORD names a release: v0.2');

/** `v0.1.straight.json`: the release that wrote it, and the scenario. */
const stored = () => readdirSync(HERE).filter((name) => name.endsWith('.json'));
const releases = [...new Set([...stored().map((name) => name.slice(0, name.lastIndexOf('.', name.length - 6)))])];
if (recordAs && !releases.includes(recordAs)) releases.push(recordAs);

interface StoredHistory {
  events: ({ eventType: string } & Record<string, unknown>)[];
}

function read(release: string, scenario: string): StoredHistory {
  return JSON.parse(readFileSync(join(HERE, `${release}.${scenario}.json`), 'utf8'));
}

/** An instance's workflow refuses to be anybody else's. */
function workflowIdOf({ events }: StoredHistory): string {
  const attributes = events[0]?.workflowExecutionStartedEventAttributes as
    | { input: { payloads: [{ data: string }] } }
    | undefined;
  const [argument] = attributes?.input.payloads ?? [];
  const { refId, cloudCredRefId } = JSON.parse(Buffer.from(argument?.data ?? '', 'base64').toString());
  return refId === undefined ? watchWorkflowId(cloudCredRefId) : instanceWorkflowId(refId);
}

/** As JSON, the way the CLI and the UI give it: with protobufjs hoisted wrongly that is what breaks first. */
async function replay(history: StoredHistory): Promise<void> {
  const workflowBundle = { codePath: inject('workflowBundle') };
  await Worker.runReplayHistory({ workflowBundle }, history, workflowIdOf(history));
}

beforeAll(async () => {
  installQuietRuntime();
  if (recordAs) await recordHistories(HERE, recordAs);
});

describe('a history that an earlier worker wrote', () => {
  it.each(releases.flatMap((release) => SCENARIO_NAMES.map((scenario) => [release, scenario])))(
    'is still understood (%s, %s)',
    async (release = '', scenario = '') => {
      await replay(read(release, scenario));
    },
  );

  it('is there for every scenario of the demo', () => {
    const wanted = releases.flatMap((release) => SCENARIO_NAMES.map((scenario) => `${release}.${scenario}.json`));
    expect(wanted.length).toBeGreaterThan(0);
    expect(stored()).toEqual(expect.arrayContaining(wanted));
  });

  it('is refused when it is not what this code would have done', async () => {
    const [release = ''] = releases;
    const changed = read(release, 'straight');
    const event = changed.events.find(({ eventType }) => eventType.endsWith('ACTIVITY_TASK_SCHEDULED'));
    const attributes = event?.activityTaskScheduledEventAttributes as { activityType: { name: string } };
    attributes.activityType.name = 'terminateInstance';
    await expect(replay(changed)).rejects.toThrow(DeterminismViolationError);

    const shortened = read(release, 'straight');
    const timerless = shortened.events.filter(({ eventType }) => !eventType.includes('ACTIVITY_TASK'));
    await expect(replay({ events: timerless })).rejects.toThrow();
  });
});
