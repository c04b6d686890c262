import { execFile } from 'node:child_process';

/** What our programs see of the worker's environment: nothing of its secrets. */
export const PLAIN_ENV = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' };

export interface CommandOptions {
  input?: string;
  signal?: AbortSignal;
}

/** Runs a program to its end. @throws {Error} with what it said on stderr. */
export async function command(file: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { input, signal } = options;
  return await new Promise((resolve, reject) => {
    const child = execFile(file, [...args], { env: PLAIN_ENV, signal, maxBuffer: 1 << 20 }, (error, stdout, stderr) => {
      if (!error) resolve(stdout);
      else reject(new Error(`${file} failed (${error.code ?? error.signal}): ${stderr.trim().slice(-500)}`));
    });
    child.stdin?.on('error', () => undefined); // it may end before it has read
    child.stdin?.end(input ?? '');
  });
}
