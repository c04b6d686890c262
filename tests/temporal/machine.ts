import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { FindTemporalCliOptions } from '../../src/temporal/cli-binary.js';
import { TEMPORAL_CLI_VERSION } from '../../src/temporal/cli-version.js';
import type { RunCommand } from '../../src/temporal/run-command.js';
import { runCommand } from '../../src/temporal/run-command.js';

/** What a good binary answers to `--version`. */
export const GOOD_VERSION = `temporal version ${TEMPORAL_CLI_VERSION} (Server 1.31.2, UI 2.50.1)`;

/** A machine of its own: empty PATH, empty cache, no network, no Go. Each can be given. */
export function machine() {
  const home = mkdtempSync(join(tmpdir(), 'slipway-test-'));
  const toolsDir = join(home, 'tools');
  const bin = join(home, 'bin');
  mkdirSync(toolsDir);
  mkdirSync(bin);
  writeFileSync(join(toolsDir, 'go.mod'), 'module tools.local/temporal\n');
  const cached = join(home, 'cache', 'slipway', 'temporal', TEMPORAL_CLI_VERSION, 'temporal');

  const reports: string[] = [];
  let builds = 0;
  const offline = async () => {
    throw new Error('no network');
  };

  return {
    home,
    bin,
    cached,
    reports,
    builds: () => builds,
    options: (more: Partial<FindTemporalCliOptions> = {}): FindTemporalCliOptions => ({
      env: { PATH: bin, XDG_CACHE_HOME: join(home, 'cache') },
      platform: 'linux',
      arch: 'x64',
      toolsDir,
      fetch: offline,
      report: (line) => reports.push(line),
      run: noGo,
      ...more,
    }),
    /** Go that takes `ms` to write a binary answering `says`; everything but `go` runs for real. */
    go: ({ ms = 0, says = GOOD_VERSION } = {}): RunCommand => {
      return async (command, args, options) => {
        if (command !== 'go') return runCommand(command, args, options);
        if (args[0] === 'env') return { code: 0, stdout: 'go1.26.8\n', stderr: '' };
        builds += 1;
        await new Promise((resolve) => setTimeout(resolve, ms));
        putBinary(args[args.indexOf('-o') + 1] as string, says);
        return { code: 0, stdout: '', stderr: '' };
      };
    },
  };
}

/** Writes an executable that answers anything with `says`. */
export function putBinary(path: string, says = GOOD_VERSION): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\necho '${says}'\n`);
  chmodSync(path, 0o755);
  return path;
}

const noGo: RunCommand = (command, args, options) =>
  command === 'go'
    ? Promise.reject(Object.assign(new Error('spawn go ENOENT'), { code: 'ENOENT' }))
    : runCommand(command, args, options);
