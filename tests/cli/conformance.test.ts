import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConformanceReport } from '../../src/conformance/index.js';
import { DEFAULT_ACCOUNT, type Simcloud, startSimcloud } from '../../src/simcloud/index.js';
import { parseXml } from '../conformance/xml.js';
import { collect, end, runCli, startCli, written } from './run-cli.js';

let folder: string;
let cloud: Simcloud;
let env: Record<string, string>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-conformance-'));
  cloud = await startSimcloud();
  const credential = { cloudCredRefId: 'acme', provider: 'sim', apiUrl: `${cloud.url}/sim/v1`, pollIntervalMs: 50 };
  const file = join(folder, 'credentials.json');
  await writeFile(file, JSON.stringify([{ ...credential, apiKey: { env: 'ACME_KEY' } }]));
  env = { SLIPWAY_CREDENTIALS: file, ACME_KEY: DEFAULT_ACCOUNT.apiKey };
});

afterEach(async () => {
  await cloud.stop();
  await rm(folder, { recursive: true, force: true });
});

const live = async () => (await cloud.control.ledger()).filter(({ isLive }) => isLive);
const cheaply = ['--instance-type', 'gpu_1x_a10', '--location', 'us-west-1'];

describe('slipway conformance', () => {
  it('passes on a good provider: exit 0, a table, a report as JSON and one as JUnit, nothing left, no secret said', async () => {
    const [json, junit] = [join(folder, 'report.json'), join(folder, 'report.xml')];
    const run = await runCli(['conformance', 'acme', ...cheaply, '--yes', '--json', json, '--junit', junit], { env });
    expect(run.stdout).toMatch(/^create\.lost-answer +passed/m);
    expect(run.stdout).toMatch(/sim conforms: \d+ passed, 0 failed, 1 skipped/);
    expect(run.stderr).toMatch(/0\.75\d* USD an hour/);
    expect(run.code).toBe(0);
    const report = JSON.parse(await readFile(json, 'utf8')) as ConformanceReport;
    expect(report).toMatchObject({
      provider: 'sim',
      cloudCredRefId: 'acme',
      failed: 0,
      left: [],
      isInterrupted: false,
    });
    const xml = await readFile(junit, 'utf8');
    expect(parseXml(xml).attributes).toMatchObject({ tests: String(report.checks.length), failures: '0' });
    expect(run.stdout + run.stderr + xml + JSON.stringify(report)).not.toContain(DEFAULT_ACCOUNT.apiKey);
    expect(await live()).toEqual([]);
  });

  it('exits 1 and names the check that failed', async () => {
    await cloud.control.addFault({ operation: 'create', kind: 'firewall-leaks', times: 'always' });
    const run = await runCli(['conformance', 'acme', ...cheaply, '--yes', '--only', 'firewall.shut,run'], { env });
    expect(run.stdout).toMatch(/^firewall\.shut +failed/m);
    expect(run.stdout).toMatch(/^run\.reached +passed/m);
    expect(run.stdout).toContain('sim does not conform');
    expect(run.code).toBe(1);
    expect(await live()).toEqual([]);
  });

  it.each([
    ['an account that is not there', ['nobody', '--yes'], /no account nobody.*acme/],
    ['a check that is not there', ['acme', '--yes', '--only', 'firewall.sut'], /no check firewall\.sut/],
    ['nothing left to check', ['acme', '--yes', '--only', 'types', '--skip', 'types'], /leave no check/],
    ['a type that nobody sells', ['acme', '--yes', '--instance-type', 'abacus'], /Nothing is sold abacus/],
    ['a price below all others', ['acme', '--yes', '--max-price', '0.01'], /Nothing is sold for at most 0\.01/],
    ['a price that is none', ['acme', '--yes', '--max-price', 'cheap'], /amount/],
    ['a file that cannot be written', ['acme', '--yes', '--junit', '/nowhere/report.xml'], /cannot be written/],
    ['nobody to be asked', ['acme'], /--yes/],
  ])('exits 2 for %s, and rents nothing', async (_what, args, complaint) => {
    const run = await runCli(['conformance', ...args], { env });
    expect(run.stderr).toMatch(complaint);
    expect(run.code).toBe(2);
    expect(await cloud.control.ledger()).toEqual([]);
  });

  it('ends what it rented on Ctrl-C, and exits 130', async () => {
    await cloud.control.setTiming({ stopMs: 600_000 }); // it cannot be done before it is asked to end
    const child = startCli(['conformance', 'acme', ...cheaply, '--yes', '--only', 'run,stop'], { env });
    const output = collect(child);
    await written(child, output, /run\.reached/);
    expect(await live()).not.toEqual([]);
    expect(await end(child, 'SIGINT')).toBe(130);
    expect(output.stdout).toContain('was not tried to the end');
    expect(await live()).toEqual([]);
  });

  it('finds what a run that was killed has left, and ends it first', async () => {
    await cloud.control.setTiming({ stopMs: 600_000 });
    const child = startCli(['conformance', 'acme', ...cheaply, '--yes', '--only', 'run,stop'], { env });
    const output = collect(child);
    await written(child, output, /run\.reached/);
    await end(child, 'SIGKILL');
    const [left] = await live();
    const run = await runCli(['conformance', 'acme', '--yes', '--only', 'locations'], { env });
    expect(run.stderr).toContain(`${left?.id} (slipway-conf-`);
    expect(run.code).toBe(0);
    expect(await live()).toEqual([]);
  });
});
