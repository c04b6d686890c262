import type { Client, ClientChannel } from 'ssh2';
import { bounded, TIME_IS_UP } from './bounded.js';
import { quote, SshError } from './target.js';

/** How a command ended. */
export interface CommandResult {
  /** Absent when a signal ended it. */
  exitCode?: number;
  /** The signal, as `SIGKILL`. */
  killedBy?: string;
  /** The first 64 KiB of each; the rest is read and dropped. */
  stdout: string;
  stderr: string;
}

const KEPT_BYTES = 64 * 1024;

/** See `SshConnection.run`. The connection is of no use after a throw: what it still does is not known. */
export async function runCommand(
  client: Client,
  command: string,
  { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
): Promise<CommandResult> {
  return await bounded(timeoutMs, signal, async (until) => {
    return await new Promise<CommandResult>((resolve, reject) => {
      const end = (act: () => void): void => {
        until.removeEventListener('abort', stop);
        client.off('close', onLost);
        client.off('error', onLost);
        act();
      };
      const fail = (error: unknown): void => end(() => reject(error));
      const stop = (): void => {
        const late = new SshError('timeout', `${quote(command)} had not ended after ${Math.round(timeoutMs)} ms`);
        fail(until.reason === TIME_IS_UP ? late : until.reason);
      };
      const onLost = (): void =>
        fail(new SshError('reset', `the connection was lost after authentication, while ${quote(command)} ran`));
      until.addEventListener('abort', stop, { once: true });
      client.once('close', onLost);
      client.once('error', onLost);
      try {
        client.exec(command, (error, channel) => {
          if (error) fail(new SshError('command-failed', `${quote(command)} could not be started`));
          else collect(channel, (result) => (result ? end(() => resolve(result)) : onLost()));
        });
      } catch {
        onLost(); // ssh2 throws when the connection is already gone
      }
    });
  });
}

/** Calls back once, with nothing when the channel closed without saying how the command ended. */
function collect(channel: ClientChannel, done: (result?: CommandResult) => void): void {
  const stdout = keepHead(channel);
  const stderr = keepHead(channel.stderr);
  let how: Pick<CommandResult, 'exitCode' | 'killedBy'> | undefined;
  channel.on('exit', (code: number | null, signalName?: string) => {
    how = code === null ? { killedBy: signalName ?? 'unknown signal' } : { exitCode: code };
  });
  channel.on('error', () => undefined); // a close follows
  channel.on('close', () => done(how && { ...how, stdout: stdout(), stderr: stderr() }));
  channel.end(); // no stdin
}

function keepHead(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    if (bytes < KEPT_BYTES) chunks.push(chunk.subarray(0, KEPT_BYTES - bytes));
    bytes += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
