import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { withForgotten } from '../../src/cli/forgotten.js';
import { compareWithWorkflows, type InstanceEvent, type SlipwayClient } from '../../src/client/index.js';
import { instanceWorkflowId } from '../../src/domain/ids.js';
import { type Journal, openJournal } from '../../src/journal/index.js';
import { type DevServer, startDevServer } from '../../src/temporal/dev-server.js';
import { SHAPES, stamp, terminateRequested, west } from '../journal/support/lives.js';
import { openTestJournal, type TestJournal } from '../support/journal.js';
import { openSlipway, requestFor, type TestSlipway } from '../support/slipway.js';
import { runCli } from './run-cli.js';

/** A Temporal server of its own: here every instance is listed, and some are forgotten. */
let server: DevServer;
let kept: TestJournal;
let slipway: TestSlipway;
let folder = '';
const refIds = { open: `open-${randomUUID()}`, over: `over-${randomUUID()}`, gone: `gone-${randomUUID()}` };
const journalEnv = (url?: string) => ({
  TEMPORAL_ADDRESS: server.address,
  SLIPWAY_TASK_QUEUE: slipway.taskQueue,
  ...(url && { SLIPWAY_JOURNAL_URL: url }),
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-remembered-'));
  server = await startDevServer({ cliPath: inject('temporalCli') });
  kept = await openTestJournal();
  slipway = await openSlipway({
    address: server.address,
    openJournal: kept.open,
    simcloud: { timing: { bootMs: 50, sshDelayMs: 5 } },
  });
  for (const refId of Object.values(refIds)) await slipway.client.provision(requestFor(slipway, { refId }));
  for (const refId of Object.values(refIds)) await slipway.client.waitFor(refId, 'ready');
  for (const refId of [refIds.over, refIds.gone]) {
    await slipway.client.terminate(refId);
    await slipway.temporal.workflow.getHandle(instanceWorkflowId(refId)).result();
  }
  await slipway.temporal.workflowService.deleteWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: instanceWorkflowId(refIds.gone) },
  });
  await vi.waitFor(
    async () => {
      const listed = (await slipway.client.list({ all: true })).map(({ refId }) => refId);
      expect(listed).not.toContain(refIds.gone);
    },
    { timeout: 60_000 },
  );
});
afterAll(async () => {
  await slipway?.close();
  await kept?.close();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Another journal, as whole as the one that the worker keeps, or as `change` has it. */
async function copyOf(change: (refId: string, events: InstanceEvent[]) => InstanceEvent[]): Promise<[Journal, string]> {
  const url = join(folder, `${randomUUID()}.db`);
  const journal = await openJournal(url);
  for (const refId of Object.values(refIds)) {
    const entries = await kept.journal.read(refId);
    await journal.append(
      refId,
      change(
        refId,
        entries.map(({ event }) => event),
      ),
    );
  }
  return [journal, url];
}

const run = (url: string, ...args: string[]) => runCli(args, { env: journalEnv(url) });
const quick = { patienceMs: 0 };

describe('the journal compared with what every workflow says', () => {
  it('agrees, open and closed, when the worker keeps one; what Temporal has forgotten is counted', async () => {
    const { code, stdout } = await run(kept.url, 'journal', 'verify', '--workflows', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      instances: 3,
      differences: [],
      workflows: { compared: 2, forgotten: 1, rejected: 0, unanswered: [], differences: [] },
    });
    expect(code).toBe(0);
    const text = await run(kept.url, 'journal', 'verify', '--workflows');
    expect(text.stdout).toContain('2 workflows (beside 1 that Temporal has forgotten) say the same');
  });

  it('names by refId, number and field what was changed, lost or made up, and exits with 1', async () => {
    const [journal, url] = await copyOf((refId, events) => {
      if (refId === refIds.over) return events.slice(0, -1);
      if (refId !== refIds.open) return events;
      return events.map((event) => (event.type === 'InstanceReady' ? { ...event, hostKey: 'another' } : event));
    });
    const made = stamp(SHAPES.ready?.('gone-by-itself', west) ?? []);
    await journal.append('gone-by-itself', made);
    const { events } = await slipway.client.events(refIds.open);
    const readySeq = events.find(({ type }) => type === 'InstanceReady')?.seq;
    const last = (await slipway.client.events(refIds.over)).lastSeq;
    const { differences } = await compareWithWorkflows(slipway.client, journal, quick);
    const places = differences.map(({ refId, seq, field }) => `${refId}/${seq} ${field}`);
    expect(places.sort()).toEqual(
      [
        `${refIds.over}/${last} event`,
        `${refIds.open}/${readySeq} hostKey`,
        `${refIds.open}/${events.at(-1)?.seq} view.hostKey`,
        `${refIds.open}/${events.at(-1)?.seq} view.knownHosts`,
        `gone-by-itself/${made.length} workflow`,
      ].sort(),
    );
    const { code, stdout } = await run(url, 'journal', 'verify', '--workflows', '--patience', '1s');
    expect(code).toBe(1);
    expect(stdout).toContain(`  ${refIds.open}/${readySeq}  hostKey: `);
    await journal.close();
  });

  it('names events that the workflow does not know, and counts requests that were refused', async () => {
    const [journal] = await copyOf((refId, events) => {
      const { seq = 0, at = '' } = events.at(-1) ?? {};
      return refId === refIds.open
        ? [...events, { ...terminateRequested(), seq: seq + 1, at } as InstanceEvent]
        : events;
    });
    await slipway.temporal.workflow
      .execute('instance', {
        workflowId: instanceWorkflowId('refused'),
        taskQueue: slipway.taskQueue,
        args: [{ refId: 'refused' }],
      })
      .catch(() => undefined);
    const listed = async () => (await slipway.client.list({ all: true })).some(({ refId }) => refId === 'refused');
    await expect.poll(listed, { timeout: 60_000 }).toBe(true);
    const found = await compareWithWorkflows(slipway.client, journal, quick);
    expect(found.differences).toMatchObject([
      { refId: refIds.open, field: 'event', what: expect.stringContaining('not know') },
    ]);
    expect(found).toMatchObject({ compared: 2, rejected: 1, forgotten: 1 });
    await journal.close();
  });

  it('says who did not answer, with 6: that is neither yes nor no', async () => {
    const silent = await slipway.temporal.workflow.start('instance', {
      workflowId: instanceWorkflowId('silent'),
      taskQueue: 'nobody-listens-here',
      args: [requestFor(slipway, { refId: 'silent' })],
    });
    const listed = async () => (await slipway.client.list()).some(({ refId }) => refId === 'silent');
    await expect.poll(listed, { timeout: 60_000 }).toBe(true);
    const { code, stdout } = await run(kept.url, 'journal', 'verify', '--workflows');
    expect(code).toBe(6);
    expect(stdout).toMatch(/^ {2}silent {2}did not answer/m);
    await silent.terminate();
  });
});

describe('an instance that Temporal has forgotten', () => {
  const refId = refIds.gone;

  it('is still told by timeline and why, and listed by ls --all, from the journal', async () => {
    const timeline = await run(kept.url, 'timeline', refId);
    expect(timeline.code).toBe(0);
    expect(timeline.stdout).toContain('InstanceTerminated');
    const why = await run(kept.url, 'why', refId, '--json');
    expect(JSON.parse(why.stdout)).toMatchObject({ refId, phase: 'terminated', why: expect.stringContaining('over') });

    const all = JSON.parse((await run(kept.url, 'ls', '--all', '--json')).stdout) as { refId: string }[];
    expect(all).toContainEqual(
      expect.objectContaining({ refId, phase: 'terminated', open: false, forgotten: true, location: 'us-west-1' }),
    );
    expect(all.filter((one) => one.refId === refIds.over)).toMatchObject([{ open: false }]);
    expect(all.find((one) => one.refId === refIds.over)).not.toHaveProperty('forgotten');
    expect((await run(kept.url, 'ls', '--all')).stdout).toContain(refId);
    expect((await run(kept.url, 'ls')).stdout).not.toContain(refId);
    expect((await run(kept.url, 'ls', '--all', '--phase', 'ready')).stdout).not.toContain(refId);
    expect((await run(kept.url, 'why', 'nobody')).code).toBe(3);
  });

  it('is not found where no journal is kept', async () => {
    expect((await runCli(['timeline', refId], { env: journalEnv() })).code).toBe(3);
    expect((await runCli(['ls', '--all'], { env: journalEnv() })).stdout).not.toContain(refId);
  });

  it('is told with 6 where the journal does not answer: nobody may take that for "there is none"', async () => {
    const away = 'postgres://slipway@127.0.0.1:1/journal';
    expect((await run(away, 'why', refId)).code).toBe(6);
    expect((await run(away, 'why', refIds.open)).code).toBe(0);
  });

  it('takes nothing from what Temporal says where the journal does not answer: the reason is on stderr', async () => {
    const away = 'postgres://slipway@127.0.0.1:1/journal';
    const { code, stdout, stderr } = await run(away, 'ls', '--all', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toContainEqual(expect.objectContaining({ refId: refIds.over, open: false }));
    expect(stderr).toMatch(/what Temporal knows.*127\.0\.0\.1/);
  });

  it('is no other that Temporal still knows, where its list was cut off before that one', async () => {
    vi.stubEnv('SLIPWAY_JOURNAL_URL', kept.url);
    const cut: Pick<SlipwayClient, 'list'> = {
      list: async (filter) => (filter?.refId ? await slipway.client.list(filter) : []),
    };
    const rows = await withForgotten(cut, { all: true, limit: 2 });
    const marks = Object.fromEntries(rows.map((row) => [row.refId, row.forgotten]));
    expect(marks).toEqual({ [refIds.gone]: true, [refIds.over]: undefined });
    vi.unstubAllEnvs();
  });
});
