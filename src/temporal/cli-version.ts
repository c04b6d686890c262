import { type RunCommand, runCommand } from './run-command.js';

/** The CLI we download, build (`tools/temporal/go.mod` pins the same) and cache. It embeds server 1.31.2. */
export const TEMPORAL_CLI_VERSION = '1.8.2';

/**
 * The oldest server we accept in a CLI that we did not choose. 1.29 is the oldest line that still got patches when this
 * was written (2026-11); it has update-with-start, every `start-dev` flag we pass and every dynamic config key we set.
 * We judge by the embedded server, not by the CLI's number: a CLI built from source calls itself 0.0.0-DEV.
 */
export const MINIMUM_SERVER = [1, 29] as const;

/** Usually 0.07 s; a cold disk or a virus scanner can take seconds for 130 MB. */
const VERSION_TIMEOUT_MS = 20_000;

/** What `temporal --version` says. `cli` is `0.0.0-DEV` when built without a version. */
export interface CliVersion {
  cli: string;
  server: string;
}

/** Reads `temporal version 1.8.2 (Server 1.31.2, UI 2.50.1)`; undefined when it is some other program's answer. */
export function findCliVersion(output: string): CliVersion | undefined {
  const match = /^temporal version (\S+) \(Server (\d+\.\d+\.\d+)/m.exec(output);
  return match?.[1] && match[2] ? { cli: match[1], server: match[2] } : undefined;
}

/**
 * Runs the binary and returns its version.
 * @throws {Error} One sentence: it does not run, is not the Temporal CLI, or is too old.
 */
export async function getCliVersion(path: string, run: RunCommand = runCommand): Promise<CliVersion> {
  const { code, stdout, stderr } = await run(path, ['--version'], { timeoutMs: VERSION_TIMEOUT_MS });
  const version = findCliVersion(stdout);
  if (code !== 0 || !version) {
    const said = `${stdout}\n${stderr}`.replace(/\s+/g, ' ').trim().slice(0, 200);
    throw new Error(
      `\`${path} --version\` ended with ${code ?? 'a signal'} and did not name a version: ${said || '(nothing)'}`,
    );
  }
  if (!isRecentEnough(version.server)) {
    throw new Error(
      `${path} is too old: version ${version.cli} embeds server ${version.server}, we need ${MINIMUM_SERVER.join('.')} or later`,
    );
  }
  return version;
}

function isRecentEnough(server: string): boolean {
  const [major = 0, minor = 0] = server.split('.').map(Number);
  return major > MINIMUM_SERVER[0] || (major === MINIMUM_SERVER[0] && minor >= MINIMUM_SERVER[1]);
}
