/**
 * Temporal's server and schema tool, as production runs them: built by Go from what `tools/temporal` pins (the same
 * module as the CLI, so that the CLI's build has compiled most of it), kept in this user's cache by version.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withFileLock } from '../../src/temporal/file-lock.js';
import { HEARTBEAT_MS, reportWhile } from '../../src/temporal/progress.js';
import { runCommand } from '../../src/temporal/run-command.js';
import { userCacheDir } from '../../src/temporal/user-cache.js';

export const TOOLS = fileURLToPath(new URL('../../tools/temporal', import.meta.url));

const PACKAGES = {
  'temporal-server': 'go.temporal.io/server/cmd/server',
  'temporal-sql-tool': 'go.temporal.io/server/cmd/tools/sql',
} as const;

const BUILD_TIMEOUT_MS = 20 * 60_000;

/** `1.31.2`: what tools/temporal pins. */
export async function pinnedServerVersion(): Promise<string> {
  const [, version] = /^\s*go\.temporal\.io\/server v(\S+)/m.exec(await readFile(join(TOOLS, 'go.mod'), 'utf8')) ?? [];
  if (!version) throw new Error(`${TOOLS}/go.mod pins no go.temporal.io/server`);
  return version;
}

/** undefined when they are there, or can be made. */
export async function whyNoServerBinaries(): Promise<string | undefined> {
  if (existsSync(await cacheFolder())) return undefined;
  return spawnSync('go', ['version']).status === 0 ? undefined : 'Go is not installed, to build Temporal’s server with';
}

/** The folder that holds `temporal-server` and `temporal-sql-tool`; made when it is not there, which takes minutes. */
export async function serverBinaries(report: (line: string) => void): Promise<string> {
  const folder = await cacheFolder();
  await withFileLock(`${folder}.lock`, { waitMs: BUILD_TIMEOUT_MS }, async () => {
    if (existsSync(folder)) return;
    const draft = await mkdtemp(`${folder}-making-`);
    try {
      for (const [name, path] of Object.entries(PACKAGES)) await build(path, join(draft, name), report);
      await rename(draft, folder);
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  });
  return folder;
}

async function cacheFolder(): Promise<string> {
  const home = join(userCacheDir(), 'slipway', 'temporal-server');
  await mkdir(home, { recursive: true });
  return join(home, await pinnedServerVersion());
}

async function build(path: string, into: string, report: (line: string) => void): Promise<void> {
  report(`Building ${path}: a minute after the CLI was built here, five without.`);
  const env = { ...process.env, CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: '-mod=readonly' };
  const options = { cwd: TOOLS, env, timeoutMs: BUILD_TIMEOUT_MS };
  const { code, stderr } = await reportWhile(
    report,
    3 * HEARTBEAT_MS,
    (elapsed) => `Building ${path}: ${elapsed} so far.`,
    () => runCommand('go', ['build', '-ldflags', '-s -w', '-o', into, path], options),
  );
  if (code !== 0) throw new Error(`\`go build ${path}\` failed:\n${stderr}`);
}
