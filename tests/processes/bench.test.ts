import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resultsSchema } from '../../bench/report/results.js';

const ROOT = new URL('../..', import.meta.url).pathname;
const run = (...args: string[]) =>
  promisify(execFile)(process.execPath, ['--import', 'tsx', 'bench/main.ts', ...args], { cwd: ROOT });

describe('npm run bench', () => {
  let out: string;
  beforeAll(async () => {
    out = await mkdtemp(join(tmpdir(), 'slipway-bench-test-'));
  });
  afterAll(() => rm(out, { recursive: true, force: true }));

  it('measures a section with the built code, and leaves table, results, picture and page', async () => {
    const { stdout } = await run('start-tax', '--quick', '--out', out);
    expect(stdout).toMatch(/ours \/ SDK only, median of the rounds +\d/);

    const [file = ''] = await readdir(join(out, 'bench/results'));
    const results = resultsSchema.parse(JSON.parse(await readFile(join(out, 'bench/results', file), 'utf8')));
    const [section, ...others] = results.sections;
    expect(others).toEqual([]);
    expect(section).toMatchObject({ name: 'start-tax', quick: true });
    const values = Object.fromEntries((section?.measures ?? []).map(({ name, value }) => [name, value]));
    expect(values.ours).toBeGreaterThan(0);
    expect(values['sdk-only']).toBeGreaterThan(0);
    expect(section?.measures.find(({ name }) => name === 'ratio')?.target).toEqual({ atMost: 1.25 });
    expect(await readFile(join(out, 'docs/performance/start-tax.svg'), 'utf8')).toContain('our bundle');
    expect(await readFile(join(out, 'docs/performance.md'), 'utf8')).toContain('### Start tax of our bundle');
  }, 120_000);

  it('measures nothing for a name it does not know', async () => {
    await expect(run('thruput', '--out', out)).rejects.toMatchObject({ code: 2 });
  });
});
