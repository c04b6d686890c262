import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from './run-cli.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const COMMANDS =
  'provision show events ls stop start reboot terminate retry set-firewall tag change-type resize-volume release worker health prepare journal webhooks replay simcloud dev demo'.split(
    ' ',
  );
/** Nobody listens there: whoever gets as far as calling it has let bad input through. */
const NOWHERE = { TEMPORAL_ADDRESS: '127.0.0.1:1' };

describe('help', () => {
  it('names every command and every exit code, in 80 columns', async () => {
    const { code, stdout } = await runCli(['--help']);
    expect(code).toBe(0);
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    for (const exit of [0, 1, 2, 3, 4, 5, 6]) expect(stdout).toMatch(new RegExp(`^  ${exit}  `, 'm'));
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('of a command ends with 0 and repeats the exit codes', async () => {
    const { code, stdout } = await runCli(['provision', '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('Exit codes:');
  });
});

describe('bad input', () => {
  it.each([
    ['an unknown command', ['fly']],
    ['an unknown option', ['ls', '--fast']],
    ['a missing argument', ['show']],
    ['a duration that is none', ['stop', 'x', '--timeout', 'soon']],
    ['a size without a unit', ['resize-volume', 'x', '200']],
    ['a tag without a value', ['tag', 'x', 'team']],
    ['a limit of nothing', ['ls', '--limit', '0']],
    ['a port that is none', ['simcloud', '--port', '70000']],
  ])('exits with 2 on %s', async (_what, args) => {
    const { code, stdout, stderr } = await runCli(args, { env: NOWHERE });
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).not.toBe('');
  });

  it('is JSON on stderr when JSON was asked for', async () => {
    const { code, stderr } = await runCli(['show', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(stderr)).toEqual({
      error: { kind: 'InvalidRequest', message: expect.stringContaining('refId') },
    });
  });
});

describe('a request file', () => {
  const provision = (content: string) => runCli(['provision', '-f', '-'], { env: NOWHERE, input: content });

  it('that is not JSON is named with line and column, and not quoted', async () => {
    const file = join(folder, 'request.json');
    await writeFile(file, '{\n  "refId": "b4f1",\n  "name": secret-word\n}\n');
    const { code, stderr } = await runCli(['provision', '-f', file], { env: NOWHERE });
    expect(code).toBe(2);
    expect(stderr).toContain(file);
    expect(stderr).toContain('line 3, column 11');
    expect(stderr).not.toContain('secret-word');
  });

  it('that ends too early says so', async () => {
    const { code, stderr } = await provision('{ "refId": "b4f1"');
    expect(code).toBe(2);
    expect(stderr).toContain('stdin is not valid JSON at its end');
  });

  it('that is no valid request has every issue named by its field, without a server', async () => {
    const request = {
      refId: '-x',
      name: '',
      publicKey: 'none',
      offers: [{ location: 'l', instanceType: 't' }],
      colour: 'red',
    };
    const plain = await provision(JSON.stringify(request));
    expect(plain.code).toBe(2);
    const json = await runCli(['provision', '-f', '-', '--json'], { env: NOWHERE, input: JSON.stringify(request) });
    expect(json.code).toBe(2);
    const { error } = JSON.parse(json.stderr) as {
      error: { kind: string; issues: { path: string; message: string }[] };
    };
    expect(error.kind).toBe('InvalidRequest');
    expect(error.issues.map(({ path }) => path).sort()).toEqual(
      ['colour', 'name', 'offers[0].cloudCredRefId', 'publicKey', 'refId'].sort(),
    );
    for (const { path, message } of error.issues) expect(plain.stderr).toContain(`${path}: ${message}`);
  });

  it('that is not there is named', async () => {
    const { code, stderr } = await runCli(['provision', '-f', 'nowhere.json'], { env: NOWHERE });
    expect(code).toBe(2);
    expect(stderr).toContain('nowhere.json');
  });
});
