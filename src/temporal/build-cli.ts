import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TEMPORAL_CLI_VERSION } from './cli-version.js';
import { type Report, reportWhile } from './progress.js';
import type { RunCommand } from './run-command.js';

/** Cold, on two cores: 253 modules and 1,718 packages (counted at 1.8.2; they only scale the progress lines). */
const MODULES = 250;
const PACKAGES = 1700;
const BUILD_TIMEOUT_MS = 30 * 60_000;

export interface BuildCliOptions {
  /** The folder of our Go module (go.mod, go.sum). It is only read. */
  toolsDir: string;
  /** An existing folder, ours alone, for the binary. */
  into: string;
  report: Report;
  heartbeatMs: number;
  run: RunCommand;
  env: NodeJS.ProcessEnv;
  platform: NodeJS.Platform;
}

/**
 * Builds the CLI that tools/temporal pins, with Go, through the module proxy; go.sum verifies what arrives.
 * Returns the path of the binary inside `into`.
 * @throws {Error} One sentence: Go is missing or too old, or the end of what the build said.
 */
export async function buildCli(options: BuildCliOptions): Promise<string> {
  const { toolsDir, into, report, heartbeatMs, run, platform } = options;
  if (!existsSync(join(toolsDir, 'go.mod'))) throw new Error(`${join(toolsDir, 'go.mod')} is missing`);

  const env = {
    ...options.env,
    CGO_ENABLED: '0', // SQLite is in pure Go; a C compiler would be one thing more to miss
    GOWORK: 'off', // a go.work above our folder, or flags meant for another module, would break the build
    GOFLAGS: '-mod=readonly',
  };
  const go = await findGo(run, toolsDir, env);
  report(
    `Building the Temporal CLI ${TEMPORAL_CLI_VERSION} with ${go}: four to seven minutes and 3.5 GB of Go's caches the first time, seconds after that.`,
  );

  let modules = 0;
  let packages = 0;
  const binary = join(into, platform === 'win32' ? 'temporal.exe' : 'temporal');
  const ldflags = `-s -w -X github.com/temporalio/cli/internal/temporalcli.Version=${TEMPORAL_CLI_VERSION}`;
  const { code, stderr } = await reportWhile(
    report,
    heartbeatMs,
    (elapsed) =>
      `Building the Temporal CLI: ${modules} of about ${MODULES} modules downloaded, ${packages} of about ${PACKAGES} packages compiled (cached ones are not counted), ${elapsed} so far.`,
    () =>
      run('go', ['build', '-v', '-ldflags', ldflags, '-o', binary, 'github.com/temporalio/cli/cmd/temporal'], {
        cwd: toolsDir,
        env,
        timeoutMs: BUILD_TIMEOUT_MS,
        onStderrLine: (line) => {
          if (line.startsWith('go: downloading ')) modules += 1;
          else packages += 1;
        },
      }),
  );
  if (code !== 0)
    throw new Error(`\`go build\` in ${toolsDir} failed: ${stderr.trim().split('\n').slice(-3).join('; ')}`);
  return binary;
}

/** Returns `go1.26.8`. Older than the module asks for is fine from 1.21 on: Go then fetches the right toolchain itself. */
async function findGo(run: RunCommand, cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  let said: string;
  try {
    // In our module's folder, hence possibly the answer of a toolchain that had to be fetched first.
    const { code, stdout, stderr } = await run('go', ['env', 'GOVERSION'], { cwd, env, timeoutMs: 300_000 });
    if (code !== 0) throw new Error(`\`go env\` failed: ${stderr.trim()}`);
    said = stdout.trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') throw new Error('`go` is not installed');
    throw error;
  }
  return said;
}
