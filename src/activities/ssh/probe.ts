import { type Bounds, openSsh, type SshConnection } from './connection.js';
import { SshError, type SshProbe, type SshTarget } from './target.js';

export interface ProbeOptions extends Bounds {
  /** Run in order over one connection; each must exit 0. `true` when absent: that a command runs at all. */
  commands?: readonly string[];
}

/**
 * One attempt, bounded by `timeoutMs` as a whole: TCP, banner, host key, our key, commands.
 *
 * @throws {UnreadableKeyError} when our own key is unusable; the signal's reason when the caller aborts. What the
 *   machine does is never thrown.
 */
export async function probeSsh(target: SshTarget, options: ProbeOptions): Promise<SshProbe> {
  const { commands = ['true'], timeoutMs, signal } = options;
  const endsAt = performance.now() + timeoutMs;
  const probe = await toProbe(target, { timeoutMs, signal }, async (connection) => {
    const words: string[] = [];
    for (const command of commands) {
      words.push(await mustSucceed(connection, command, { timeoutMs: endsAt - performance.now(), signal }));
    }
    return words;
  });
  return probe.ok ? probe : { ok: false, failure: probe.failure, evidence: probe.evidence };
}

/**
 * Connects, lets `prove` look around, and says what came of it. `prove` returns its evidence. A failure has the host key, too,
 * if we came as far as to log in.
 */
export async function toProbe(
  target: SshTarget,
  bounds: Bounds,
  prove: (connection: SshConnection) => Promise<string[]>,
): Promise<SshProbe & { hostKey?: string; isFinal?: boolean }> {
  let connection: SshConnection | undefined;
  try {
    connection = await openSsh(target, bounds);
    const words = await prove(connection);
    return { ok: true, hostKey: connection.hostKey, evidence: [connection.evidence, ...words].join('; ') };
  } catch (error) {
    if (!(error instanceof SshError)) throw error;
    const { failure, message: evidence, isFinal } = error;
    return { ok: false, failure, evidence, isFinal, ...(connection && { hostKey: connection.hostKey }) };
  } finally {
    connection?.close();
  }
}

/** @returns `"uname" exited 0`. @throws {SshError} `command-failed` for any other end. */
export async function mustSucceed(connection: SshConnection, command: string, bounds: Bounds): Promise<string> {
  const { exitCode, killedBy } = await connection.run(command, bounds);
  const how = exitCode === undefined ? `was ended by ${killedBy}` : `exited ${exitCode}`;
  // What it printed stays here: it may hold anything.
  if (exitCode !== 0) throw new SshError('command-failed', `we are in, and "${command}" ${how}`);
  return `"${command}" ${how}`;
}
