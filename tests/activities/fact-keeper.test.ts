import type { Client } from '@temporalio/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FactKeeper } from '../../src/activities/journal/fact-keeper.js';
import type { InstanceEvent } from '../../src/domain/instance/index.js';
import { createLogger } from '../../src/logging.js';
import { SHAPES, stamp, west } from '../journal/support/lives.js';
import { openTestJournal, type TestJournal } from '../support/journal.js';

const LATER = '2026-03-05T00:00:00.000Z';
const life = stamp(SHAPES.ready?.('a', west) ?? []);

/** The same life as a run tells it that was reset to after event `kept`. */
const lifeAfterReset = (kept: number) =>
  stamp(SHAPES.ready?.('a', west) ?? [], LATER).map((event, index) => (index < kept ? (life[index] ?? event) : event));

let kept: TestJournal;
let keeper: FactKeeper;
let presentRun: string;
beforeEach(async () => {
  kept = await openTestJournal();
  const describe = async () => ({ runId: presentRun });
  const client = { workflow: { getHandle: () => ({ describe }) } } as unknown as Client;
  keeper = new FactKeeper({ open: kept.open, client, logger: createLogger({ level: 'silent', name: 'test' }) });
});
afterEach(async () => {
  await keeper.close();
  await kept.close();
});

const send = (runId: string, events: readonly InstanceEvent[]) =>
  keeper.keep({ refId: 'a', upTo: (events[0]?.seq ?? 1) - 1, events }, runId);
const stored = async () => (await kept.journal.read('a')).map(({ event }) => event);

describe('what a workflow is told of its facts', () => {
  it('never reaches beyond those it sent, however far the run went that it was reset from', async () => {
    presentRun = 'run-1';
    expect(await send('run-1', life)).toBe(6);
    presentRun = 'run-2';
    expect(await send('run-2', life.slice(2, 3))).toBe(3);
    const anew = lifeAfterReset(3);
    expect(await send('run-2', anew.slice(3))).toBe(6);
    expect(await stored()).toEqual(anew);
    expect((await kept.journal.superseded('a')).map(({ event }) => event)).toEqual(life.slice(3));
  });

  it('leaves nothing of a run that is over in the way, though its activity came late and wrote last', async () => {
    presentRun = 'run-2';
    const anew = lifeAfterReset(3);
    expect(await send('run-2', life.slice(0, 2))).toBe(2);
    await send('run-1', life.slice(0, 4));
    expect(await send('run-2', anew.slice(2))).toBe(6);
    expect(await stored()).toEqual(anew);
  });

  it('is the same where the late activity brought nothing that both runs do not share', async () => {
    presentRun = 'run-2';
    const anew = lifeAfterReset(3);
    await send('run-2', life.slice(0, 2));
    await send('run-1', life.slice(0, 3));
    expect(await send('run-2', anew.slice(2))).toBe(6);
    expect(await stored()).toEqual(anew);
    expect(await kept.journal.superseded('a')).toEqual([]);
  });

  it('changes nothing when a run that is over sends what it still has', async () => {
    presentRun = 'run-1';
    await send('run-1', life.slice(0, 4));
    presentRun = 'run-2';
    const anew = lifeAfterReset(3);
    await send('run-2', anew.slice(3));
    await send('run-1', life.slice(3));
    expect(await stored()).toEqual(anew);
  });
});
