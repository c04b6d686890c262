import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A part of the stage in a process of its own. It ends with us. */
export interface Child<Told> {
  pid: number;
  /** What it said when it was ready. */
  told: Told;
  /** Throws once it has ended without being asked to: what is measured afterwards means nothing. */
  mustLive(): void;
  /** Waits for one that ends by itself. */
  end(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts `processes/<name>.mjs`, and resolves when it has told what it is. @throws {Error} when it ends before. */
export async function startChild<Told>(
  name: 'simcloud' | 'slipway-worker' | 'bare-worker' | 'replay',
  env: Record<string, string>,
  execArgv: readonly string[] = [],
): Promise<Child<Told>> {
  const script = fileURLToPath(new URL(`../processes/${name}.mjs`, import.meta.url));
  const child = fork(script, {
    env: { ...process.env, ...env },
    execArgv: [...execArgv],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let isWanted = true;
  let end: string | undefined;
  const exited = once(child, 'exit').then(([code, signal]) => {
    end = `${name} ended by itself (${signal ?? `exit code ${code}`})`;
  });
  const [told] = (await Promise.race([
    once(child, 'message'),
    exited.then(() => Promise.reject(new Error(`${end} at its start`))),
  ])) as [Told];
  return {
    pid: child.pid ?? 0,
    told,
    mustLive: () => {
      if (isWanted && end) throw new Error(end);
    },
    end: async () => {
      isWanted = false;
      await exited;
    },
    stop: async () => {
      isWanted = false;
      if (!end) child.kill('SIGTERM');
      await exited;
    },
  };
}
