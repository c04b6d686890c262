/**
 * A child that neither outlives us nor dies before its time.
 *
 * It runs in a process group (and session) of its own, so that Ctrl-C at a terminal reaches us alone and we can shut down
 * in order with the child still there. In exchange we must end it ourselves:
 *  - our process exits, normally or by an uncaught error: killed in the `exit` event;
 *  - a signal that nobody in our process handles: killed in our handler, then the signal takes us as it would have;
 *    if the application handles it, that is the order it wants, and the `exit` event does the rest;
 *  - we are killed with SIGKILL: on Linux `setpriv` (util-linux) has the kernel kill the child. Elsewhere it is left over.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { runCommand } from './run-command.js';

const DEADLY_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface ChildExit {
  code: number | undefined;
  signal: NodeJS.Signals | undefined;
}

export interface SupervisedChild {
  pid: number;
  /** Resolves once the process is gone, whatever the reason; never rejects. */
  exited: Promise<ChildExit>;
  /** SIGTERM, and SIGKILL once `graceMs` have passed. Resolves when it is gone; safe to repeat. */
  stop(graceMs: number): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/**
 * Starts the command with stdout and stderr in the open file `logFd`: a pipe would stop the child whenever we are too
 * busy to read. The child does not keep our event loop alive.
 * A command that cannot be run may also show as an early exit, with the reason in the log.
 */
export async function startChild(
  command: string,
  args: readonly string[],
  { env, logFd, cwd }: { env: NodeJS.ProcessEnv; logFd: number; cwd?: string },
): Promise<SupervisedChild> {
  const [file, ...rest] = (await canDieWithParent())
    ? ['setpriv', '--pdeathsig', 'KILL', '--', command, ...args]
    : [command, ...args];
  const child = spawn(file as string, rest, {
    env,
    cwd,
    detached: true,
    stdio: ['ignore', logFd, logFd],
    windowsHide: true,
  });
  const exited = new Promise<ChildExit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code: code ?? undefined, signal: signal ?? undefined }));
  });
  await once(child, 'spawn');
  child.unref();
  endWithUs(child);

  const end = (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.ref(); // from here on somebody waits for it
    child.kill(signal);
  };
  return {
    pid: child.pid as number,
    exited,
    async stop(graceMs) {
      end('SIGTERM');
      const timer = setTimeout(() => end('SIGKILL'), graceMs);
      await exited;
      clearTimeout(timer);
    },
    async kill() {
      end('SIGKILL');
      await exited;
    },
  };
}

/** Children that end with us. The handlers are there only while there is one. */
const living = new Set<ChildProcess>();

function endWithUs(child: ChildProcess): void {
  if (living.size === 0) {
    process.once('exit', killLiving);
    // First in line: a `once` handler that ran before ours would be gone from the count below.
    for (const signal of DEADLY_SIGNALS) process.prependListener(signal, onSignal);
  }
  living.add(child);
  child.once('exit', () => {
    living.delete(child);
    if (living.size === 0) removeHandlers();
  });
}

function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return; // somebody handles it
  killLiving();
  removeHandlers();
  process.kill(process.pid, signal); // with our handler gone, it now does what it does to any process
}

function killLiving(): void {
  for (const child of living) child.kill('SIGKILL');
}

function removeHandlers(): void {
  process.removeListener('exit', killLiving);
  for (const signal of DEADLY_SIGNALS) process.removeListener(signal, onSignal);
}

let parentDeath: Promise<boolean> | undefined;

function canDieWithParent(): Promise<boolean> {
  parentDeath ??= (async () => {
    if (process.platform !== 'linux') return false;
    try {
      return (await runCommand('setpriv', ['--pdeathsig', 'KILL', '--', 'true'], { timeoutMs: 5_000 })).code === 0;
    } catch {
      return false; // no util-linux (busybox): the exit and signal handlers remain
    }
  })();
  return parentDeath;
}
