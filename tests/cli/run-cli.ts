import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface CliOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** What it reads from stdin. */
  input?: string;
}

export interface CliRun {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Starts the built CLI as a user would, in an environment that names no server but the one given. */
export function startCli(args: readonly string[], { env = {}, cwd = tmpdir() }: CliOptions = {}): ChildProcess {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is not there: npm run build`);
  const clean = Object.entries(process.env).filter(([name]) => !/^(TEMPORAL|SLIPWAY|FORCE_COLOR)/.test(name));
  return spawn(process.execPath, [MAIN, ...args], { env: { ...Object.fromEntries(clean), ...env }, cwd });
}

export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const child = startCli(args, options);
  child.stdin?.on('error', () => undefined); // it may end without reading
  child.stdin?.end(options.input ?? '');
  const output = collect(child);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...output };
}

/** Fills as the child writes. */
export function collect(child: ChildProcess): { stdout: string; stderr: string } {
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => {
    output.stdout += chunk;
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    output.stderr += chunk;
  });
  return output;
}

/** Resolves when the child has written something that matches; rejects when it ends without. */
export async function written(child: ChildProcess, output: { stdout: string; stderr: string }, text: RegExp) {
  const isThere = () => text.test(output.stdout) || text.test(output.stderr);
  await new Promise<void>((resolve, reject) => {
    const look = () => isThere() && resolve();
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    child.once('close', (code) => {
      reject(new Error(`It ended with ${code} before it wrote ${text}:\n${output.stdout}${output.stderr}`));
    });
    look();
  });
}

export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  child.kill(signal);
  const [code] = (await once(child, 'close')) as [number | null];
  return code;
}
