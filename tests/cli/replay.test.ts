import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from './run-cli.js';

const HISTORIES = join(import.meta.dirname, '../replay');
const stored = (name: string) => join(HISTORIES, `v0.1.${name}.json`);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-replay-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('slipway replay', { timeout: 120_000 }, () => {
  it('understands the histories that earlier versions wrote', async () => {
    const { code, stdout, stderr } = await runCli(['replay', stored('straight'), stored('stop-and-start')]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout.match(/understood/g)).toHaveLength(2);
  });

  it('exits with 5 on one that would go another way, and still looks at the rest', async () => {
    const text = await readFile(stored('straight'), 'utf8');
    const other = join(folder, 'other.json');
    await writeFile(other, text.replaceAll('"createInstance"', '"createAnother"'));
    const { code, stdout, stderr } = await runCli(['replay', other, stored('straight')]);
    expect(code).toBe(5);
    expect(stderr).toContain('another life');
    expect(stdout).toContain('understood');
  });

  it('exits with 2 on what is no history', async () => {
    const none = join(folder, 'none.json');
    await writeFile(none, '{"events":[]}');
    expect((await runCli(['replay', none])).code).toBe(2);
  });
});
