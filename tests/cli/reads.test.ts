import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SHAPES, stamp, west } from '../journal/support/lives.js';
import { openTestJournal, type TestJournal } from '../support/journal.js';
import { collect, end, runCli, startCli, written } from './run-cli.js';

/** What the journal knows beside where instances stand: nothing here needs Temporal. */
let kept: TestJournal;
beforeAll(async () => {
  kept = await openTestJournal();
  for (const [refId, shape, begin] of [
    ['b-1', 'refusedThenReady', '2026-03-01T12:00:00.000Z'],
    ['a-1', 'terminated', '2026-03-02T12:00:00.000Z'],
    ['c-1', 'parked', '2026-03-03T12:00:00.000Z'],
  ] as const) {
    await kept.journal.append(refId, stamp(SHAPES[shape]?.(refId, west) ?? [], begin));
  }
});
afterAll(async () => await kept?.close());

const run = (...args: string[]) => runCli(args, { env: { SLIPWAY_JOURNAL_URL: kept.url } });
const json = async (...args: string[]) => JSON.parse((await run(...args, '--json')).stdout);
const refIdsOf = async (...args: string[]) => (await json(...args)).map(({ refId }: { refId: string }) => refId);

describe('slipway usage', () => {
  it('sums machine-hours and cost by what is asked, within the time that is asked', async () => {
    const query = { by: 'provider', from: '2026-03-01T00:00:00.000Z', to: '2026-03-01T13:00:00.000Z' } as const;
    expect(await json('usage', '--by', 'provider', '--from', '2026-03-01', '--to', '2026-03-01T13:00Z')).toEqual(
      await kept.journal.usage(query),
    );
    const { stdout } = await run('usage', '--to', '2026-03-01T13:00Z');
    expect(stdout).toMatch(/^REF ID +MACHINES +HOURS +COST/);
    expect(stdout).toMatch(/^b-1 +1 +1\.00 +\S+ EUR/m);
    expect(await json('usage', 'nobody')).toEqual([]);
  });

  it('refuses with 2 what is no time', async () => {
    expect((await run('usage', '--from', 'yesterday')).code).toBe(2);
  });
});

describe('slipway attempts', () => {
  it('tells where was tried, what came of it and why, newest first', async () => {
    expect(await refIdsOf('attempts')).toEqual(['c-1', 'a-1', 'b-1', 'b-1']);
    expect(await json('attempts', 'b-1')).toMatchObject([{ outcome: 'created' }, { outcome: 'refused' }]);
    expect(await refIdsOf('attempts', '--error-kind', 'OutOfQuota')).toEqual(['c-1']);
    const { stdout } = await run('attempts', 'b-1', '--outcome', 'refused');
    expect(stdout).toMatch(
      /b-1 +1 +sim-main\/us-west-1\/gpu_1x_a10 +refused +1\.0s +InsufficientResources +.*no-stock/,
    );
  });
});

describe('slipway offers', () => {
  it('tells how long machines took and how often an offer was refused', async () => {
    const found = await json('offers');
    expect(found).toMatchObject([
      { offerId: 'sim-main/us-east-1/gpu_1x_a10', running: { count: 1, p50: 1_000 }, refusals: 0 },
      { offerId: 'sim-main/us-west-1/gpu_1x_a10', running: { count: 1 }, refusals: 2, lastRefusal: { refId: 'c-1' } },
    ]);
    expect(await json('offers', '--since', '2026-03-04')).toEqual([]);
    expect((await run('offers', 'sim-main/us-west-1/gpu_1x_a10')).stdout).toMatch(
      /1\.0s, 99%: 1\.0s +.* 2 +.*OutOfQuota/,
    );
  });
});

describe('slipway ls, in an order or by what only the journal knows', () => {
  it('asks the journal alone', async () => {
    expect(await refIdsOf('ls', '--order', 'createdAt')).toEqual(['c-1', 'b-1']);
    expect(await refIdsOf('ls', '--all', '--order', 'name', '--ascending')).toEqual(['a-1', 'b-1', 'c-1']);
    expect(await refIdsOf('ls', '--all', '--name', 'name-a')).toEqual(['a-1']);
    expect(await refIdsOf('ls', '--all', '--created-from', '2026-03-02', '--created-to', '2026-03-03')).toEqual([
      'a-1',
    ]);
    expect(await refIdsOf('ls', '--order', 'createdAt', '--phase', 'parked', '--limit', '1')).toEqual(['c-1']);
  });
});

describe('SLIPWAY_EVENT_SOURCE', () => {
  const env = (source: string) => ({ SLIPWAY_JOURNAL_URL: kept.url, SLIPWAY_EVENT_SOURCE: source });

  it('is what events name as their source', async () => {
    const child = startCli(['events', '--follow', '--json'], { env: env('https://gpu.example/eu') });
    const output = collect(child);
    await written(child, output, /\n/);
    expect(await end(child, 'SIGINT')).toBe(0);
    const [line = ''] = output.stdout.split('\n');
    expect(JSON.parse(line)).toMatchObject({ source: 'https://gpu.example/eu', sequence: '0000000000000001' });
  });

  it('is refused with 2 when it is no URI', async () => {
    const { code, stderr } = await runCli(['events', '--follow', '--json'], { env: env('our own') });
    expect(code).toBe(2);
    expect(stderr).toContain('SLIPWAY_EVENT_SOURCE');
    expect((await runCli(['webhooks', 'run'], { env: env('our own') })).stderr).toContain('SLIPWAY_EVENT_SOURCE');
  });
});

describe('the package', () => {
  it('gives the journal to programs', async () => {
    const read = `const { openJournal } = await import('slipway/journal');
      const journal = await openJournal(process.argv[1]);
      console.log((await journal.usage({ by: 'provider' })).length, (await journal.superseded('b-1')).length);
      await journal.close();`;
    const args = ['--input-type=module', '--eval', read, kept.url];
    const cwd = join(import.meta.dirname, '../..');
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd });
    expect(stdout.trim()).toBe('1 0');
  });
});
