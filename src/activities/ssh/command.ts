import type { Client, ClientChannel } from 'ssh2';
import { bounded, TIME_IS_UP } from './bounded.js';
import { quote, SshError } from './target.js';

/** How a command ended. */
export interface CommandResult {
  /** Absent when a signal ended it. */
  exitCode?: number;
  /** The signal, as `SIGKILL`. */
  killedBy?: string;
  /** The first 64 KiB of each, unless more is asked for; the rest is read and dropped. */
  stdout: string;
  stderr: string;
}

const KEPT_BYTES = 64 * 1024;

export interface RunOptions {
  timeoutMs: number;
  signal?: AbortSignal;
  /** For its standard input. */
  input?: string;
  /** How much of what it prints is kept. */
  keptBytes?: number;
}

/** See `SshConnection.run`. The connection is of no use after a throw: what it still does is not known. */
export async function runCommand(
  client: Client,
  command: string,
  { timeoutMs, signal, input, keptBytes }: RunOptions,
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
          else collect(channel, { input, keptBytes }, (result) => (result ? end(() => resolve(result)) : onLost()));
        });
      } catch {
        onLost(); // ssh2 throws when the connection is already gone
      }
    });
  });
}

/** Calls back once, with nothing when the channel closed without saying how the command ended. */
function collect(
  channel: ClientChannel,
  { input, keptBytes = KEPT_BYTES }: Pick<RunOptions, 'input' | 'keptBytes'>,
  done: (result?: CommandResult) => void,
): void {
  const stdout = keepHead(channel, keptBytes);
  const stderr = keepHead(channel.stderr, KEPT_BYTES);
  let how: Pick<CommandResult, 'exitCode' | 'killedBy'> | undefined;
  channel.on('exit', (code: number | null, signalName?: string) => {
    how = code === null ? { killedBy: signalName ?? 'unknown signal' } : { exitCode: code };
  });
  channel.on('error', () => undefined); // a close follows
  channel.on('close', () => done(how && { ...how, stdout: stdout(), stderr: stderr() }));
  channel.end(input); // without one, no stdin
}

function keepHead(stream: NodeJS.ReadableStream, max: number): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    if (bytes < max) chunks.push(chunk.subarray(0, max - bytes));
    bytes += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

/** A process of ours on the machine: it runs until it is ended, or the connection is. */
export interface RemoteProcess {
  /** Resolves when it has ended, whoever ended it. */
  ended: Promise<Pick<CommandResult, 'exitCode' | 'killedBy'>>;
  /** Closes its input; what reads it ends by that. */
  end(): void;
}

/** See `SshConnection.start`. */
export async function startCommand(
  client: Client,
  command: string,
  { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
): Promise<RemoteProcess> {
  return await onChannel(timeoutMs, signal, quote(command), (done) => {
    client.exec(command, (error, channel) => {
      if (error) return done(new SshError('command-failed', `${quote(command)} could not be started`));
      channel.resume(); // what it says is nobody's business, and must not fill the window
      channel.stderr.resume();
      const ended = new Promise<Awaited<RemoteProcess['ended']>>((resolve) => {
        let how: Awaited<RemoteProcess['ended']> = {};
        channel.on('exit', (code: number | null, signalName?: string) => {
          how = code === null ? { killedBy: signalName ?? 'unknown signal' } : { exitCode: code };
        });
        channel.on('error', () => undefined);
        channel.on('close', () => resolve(how));
      });
      return done({ ended, end: () => channel.end() });
    });
  });
}

/** What came of a connection that the machine itself made for us. */
export type Reached =
  | { outcome: 'answered'; channel: ClientChannel }
  /** Whatever kept it from connecting; `said` is the server's word for it. */
  | { outcome: 'refused'; said: string }
  /** Its SSH server forwards nothing. */
  | { outcome: 'prohibited' };

/** RFC 4254, 5.1: what a server says that does not open the channel. */
const PROHIBITED: ReadonlySet<unknown> = new Set([1, 3]);
const REFUSED: ReadonlySet<unknown> = new Set([2, 4]);

/** See `SshConnection.reach`. */
export async function reachFrom(
  client: Client,
  host: string,
  port: number,
  { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
): Promise<Reached> {
  return await onChannel(timeoutMs, signal, `a connection to ${host}:${port}`, (done) => {
    client.forwardOut('127.0.0.1', 0, host, port, (error, channel) => {
      if (!error) return done({ outcome: 'answered', channel });
      const { reason } = error as Error & { reason?: unknown };
      if (PROHIBITED.has(reason)) return done({ outcome: 'prohibited' });
      if (REFUSED.has(reason)) return done({ outcome: 'refused', said: error.message.replace(/^.*failure: /, '') });
      return done(new SshError('reset', 'the connection was lost after authentication'));
    });
  });
}

/** Opens a channel, within the time, on a connection that may be lost meanwhile. */
async function onChannel<T>(
  timeoutMs: number,
  signal: AbortSignal | undefined,
  what: string,
  open: (done: (result: T | SshError) => void) => void,
): Promise<T> {
  return await bounded(timeoutMs, signal, async (until) => {
    return await new Promise<T>((resolve, reject) => {
      const stop = (): void => {
        const late = new SshError('timeout', `${what} had not begun after ${Math.round(timeoutMs)} ms`);
        reject(until.reason === TIME_IS_UP ? late : until.reason);
      };
      until.addEventListener('abort', stop, { once: true });
      const done = (result: T | SshError): void => {
        until.removeEventListener('abort', stop);
        if (result instanceof SshError) reject(result);
        else resolve(result);
      };
      try {
        open(done);
      } catch {
        done(new SshError('reset', `the connection was lost after authentication, before ${what}`)); // ssh2 throws then
      }
    });
  });
}
