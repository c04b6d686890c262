/**
 * Finds a working Temporal CLI, in this order: `TEMPORAL_CLI_PATH`; `temporal` on the PATH; our cache; the official
 * download; a build by Go. What the last two make is cached for good, by version.
 *
 * Invariants: a file at its place in the cache is whole and has answered `--version`, for it is made in a folder of its
 * own next to it and renamed; so processes may race. A lock makes the second wait for the first, to spare it the work.
 */
import { constants } from 'node:fs';
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildCli } from './build-cli.js';
import { getCliVersion, TEMPORAL_CLI_VERSION } from './cli-version.js';
import { downloadCli } from './download-cli.js';
import { withFileLock } from './file-lock.js';
import { HEARTBEAT_MS, type Report, toElapsed, toReason } from './progress.js';
import { type RunCommand, runCommand } from './run-command.js';
import { userCacheDir } from './user-cache.js';

/** Longer than a cold build on a slow machine; whoever waited this long builds for itself. */
const LOCK_WAIT_MS = 20 * 60_000;
const ABANDONED_AFTER_MS = 24 * 3600_000;

/** `report` and `env` are for callers; the rest lets tests do without network, Go and this user's cache. */
export interface FindTemporalCliOptions {
  report?: Report;
  env?: NodeJS.ProcessEnv;
  platform?: NodeJS.Platform;
  arch?: NodeJS.Architecture;
  /** The Go module to build; `tools/temporal` of this package, beside `src` and `dist` alike. */
  toolsDir?: string;
  fetch?: typeof fetch;
  run?: RunCommand;
  heartbeatMs?: number;
  lockWaitMs?: number;
  answerTimeoutMs?: number;
}

/** One way to a CLI, and why it led nowhere. */
export interface FailedWay {
  way: string;
  reason: string;
}

/** No way led to a working CLI. The message lists each with its reason, and what to do. */
export class TemporalCliNotFound extends Error {
  override readonly name = 'TemporalCliNotFound';
  constructor(readonly tried: readonly FailedWay[]) {
    super(
      [
        'No working Temporal CLI was found. Tried, in this order:',
        ...tried.map(({ way, reason }) => `  - ${way}: ${reason}`),
        'Install one of these and try again:',
        '  - the Temporal CLI on the PATH (https://docs.temporal.io/cli), or anywhere, with TEMPORAL_CLI_PATH naming the file;',
        '  - Go 1.21 or later (https://go.dev/dl), to build it from tools/temporal.',
        'Or set TEMPORAL_ADDRESS to use a server that already runs.',
      ].join('\n'),
    );
  }
}

/** TEMPORAL_CLI_PATH is set to something that does not work. Nothing else was tried: the user chose. */
export class TemporalCliPathUnusable extends Error {
  override readonly name = 'TemporalCliPathUnusable';
  constructor(path: string, reason: string) {
    super(`TEMPORAL_CLI_PATH is ${path}, which does not work: ${reason}. Correct the variable or unset it.`);
  }
}

/**
 * Returns the absolute path of a working Temporal CLI, making one if need be (minutes, on a machine with neither).
 * @throws {TemporalCliPathUnusable | TemporalCliNotFound}
 */
export async function findTemporalCli(options: FindTemporalCliOptions = {}): Promise<string> {
  const { env = process.env, platform = process.platform, run = runCommand, report = () => {} } = options;
  const { heartbeatMs = HEARTBEAT_MS } = options;

  const chosen = env.TEMPORAL_CLI_PATH;
  if (chosen) {
    const reason = await findFault(chosen, run);
    if (reason) throw new TemporalCliPathUnusable(chosen, reason);
    return resolve(chosen);
  }
  const tried: FailedWay[] = [{ way: 'TEMPORAL_CLI_PATH', reason: 'not set' }];
  const fail = (way: string, reason: string) => {
    tried.push({ way, reason });
    report(`Temporal CLI, ${way}: ${reason}.`);
  };

  const onPath = await findOnPath(env, platform);
  if (!onPath) tried.push({ way: '`temporal` on the PATH', reason: 'not there' });
  else {
    const reason = await findFault(onPath, run);
    if (!reason) return onPath;
    fail('`temporal` on the PATH', reason);
  }

  const home = join(userCacheDir(env, platform), 'slipway', 'temporal');
  const cached = join(home, TEMPORAL_CLI_VERSION, platform === 'win32' ? 'temporal.exe' : 'temporal');
  if ((await exists(cached)) && !(await findFault(cached, run))) return cached;

  let nextReportAt = 0;
  const onWait = ({ pid }: { pid: number }, waitedMs: number) => {
    if (waitedMs < nextReportAt) return;
    nextReportAt += heartbeatMs;
    report(`Waiting for process ${pid}, which is fetching the Temporal CLI (${toElapsed(waitedMs)} so far).`);
  };
  const lock = { waitMs: options.lockWaitMs ?? LOCK_WAIT_MS, onWait };
  try {
    return await withFileLock(join(home, `${TEMPORAL_CLI_VERSION}.lock`), lock, fill);
  } catch (error) {
    if (error instanceof TemporalCliNotFound) throw error;
    fail(`our cache in ${home}`, toReason(error)); // cannot be written: nowhere to put a binary
    throw new TemporalCliNotFound(tried);
  }

  async function fill(): Promise<string> {
    if (await exists(cached)) {
      const reason = await findFault(cached, run);
      if (!reason) return cached; // made while we waited
      fail(`our cache, ${cached}`, reason);
    } else tried.push({ way: 'our cache', reason: `${cached} is not there yet` });

    await removeAbandoned(home);
    const into = await mkdtemp(join(home, 'making-'));
    const { arch = process.arch, fetch: get = fetch, answerTimeoutMs } = options;
    const toolsDir = options.toolsDir ?? fileURLToPath(new URL('../../tools/temporal', import.meta.url));
    const ways = [
      [
        'the official download',
        () => downloadCli({ into, report, heartbeatMs, run, platform, arch, fetch: get, answerTimeoutMs }),
      ],
      ['a build by Go', () => buildCli({ into, report, heartbeatMs, run, platform, env, toolsDir })],
    ] as const;
    try {
      for (const [way, make] of ways) {
        try {
          const made = await make();
          await chmod(made, 0o755);
          await getCliVersion(made, run);
          await mkdir(join(home, TEMPORAL_CLI_VERSION), { recursive: true });
          await rename(made, cached);
          report(`The Temporal CLI ${TEMPORAL_CLI_VERSION} is ready and kept at ${cached}.`);
          return cached;
        } catch (error) {
          fail(way, toReason(error));
        }
      }
    } finally {
      await rm(into, { recursive: true, force: true });
    }
    throw new TemporalCliNotFound(tried);
  }
}

/** Why this binary cannot be used; undefined when it works. */
async function findFault(path: string, run: RunCommand): Promise<string | undefined> {
  try {
    await getCliVersion(path, run);
    return undefined;
  } catch (error) {
    return toReason(error);
  }
}

async function findOnPath(env: NodeJS.ProcessEnv, platform: NodeJS.Platform): Promise<string | undefined> {
  const name = platform === 'win32' ? 'temporal.exe' : 'temporal';
  for (const folder of (env.PATH ?? env.Path ?? '').split(delimiter)) {
    if (folder && (await exists(join(folder, name)))) return resolve(folder, name);
  }
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** Removes what a killed process left half-made. Only old ones: another may be at work without the lock. */
async function removeAbandoned(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    if (!name.startsWith('making-')) continue;
    const path = join(home, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}
