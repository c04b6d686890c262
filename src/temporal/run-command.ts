import { spawn } from 'node:child_process';

/** Keeps the end of a chatty command's output: errors come last. */
const KEPT_CHARACTERS = 64 * 1024;

export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** After this long the command is killed and the call rejects. */
  timeoutMs?: number;
  /** Called with each whole line the command writes to stderr, while it runs. */
  onStderrLine?: (line: string) => void;
}

/** `code` is undefined when a signal ended the command. Outputs are the last 64 KiB of each stream. */
export interface CommandResult {
  code: number | undefined;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end, without a shell. Rejects if it cannot be started or takes too long; an exit code never rejects. */
export type RunCommand = (command: string, args: readonly string[], options?: RunOptions) => Promise<CommandResult>;

export const runCommand: RunCommand = (command, args, { cwd, env, timeoutMs, onStderrLine } = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true });
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            child.kill('SIGKILL');
            reject(new Error(`${command} did not end within ${timeoutMs / 1000} s`));
          }, timeoutMs);

    let stdout = '';
    let stderr = '';
    let line = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout = (stdout + chunk).slice(-KEPT_CHARACTERS);
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr = (stderr + chunk).slice(-KEPT_CHARACTERS);
      if (!onStderrLine) return;
      const lines = (line + chunk).split('\n');
      line = lines.pop() ?? '';
      for (const whole of lines) onStderrLine(whole);
    });
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? undefined, stdout, stderr });
    });
  });
