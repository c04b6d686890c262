import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { command, PLAIN_ENV } from './command.js';
import { FILES } from './scripts.js';
import type { HostStore } from './store.js';

/** How long a supervisor may take to say that it is there, or to go, in ms. */
const PATIENCE_MS = 10_000;

/** The processes of a host: started, signalled and entered, and never mistaken for somebody else's. */
export class Supervision {
  constructor(private readonly store: HostStore) {}

  /** Resolves once the supervisor is there and has begun to boot. It outlives this process. */
  async begin(cloudId: string): Promise<void> {
    const cwd = this.store.folder(cloudId);
    const log = await open(join(cwd, FILES.log), 'a', 0o600);
    try {
      const options = {
        cwd,
        env: PLAIN_ENV,
        detached: true,
        stdio: ['ignore', log.fd, log.fd] as ['ignore', number, number],
      };
      const child = spawn('sh', ['supervisor.sh'], options);
      child.once('error', () => undefined); // found out below
      child.unref();
    } finally {
      await log.close();
    }
    if (!(await this.#within(async () => (await this.pid(cloudId)) !== undefined))) {
      throw new Error(`the supervisor of ${cloudId} did not start: ${await this.lastWords(cloudId)}`);
    }
  }

  /** The supervisor, if it lives. */
  async pid(cloudId: string): Promise<number | undefined> {
    const [pid, startedAt] = ((await this.store.read(cloudId, FILES.supervisor)) ?? '').trim().split(' ');
    if (!pid || !startedAt) return undefined;
    return (await startOf(pid)) === startedAt ? Number(pid) : undefined;
  }

  /** Ends the host (TERM) or reboots it (USR1). Nothing happens to a host that is not up. */
  async signal(cloudId: string, signal: 'SIGTERM' | 'SIGUSR1' | 'SIGKILL'): Promise<void> {
    const pid = await this.pid(cloudId);
    if (pid === undefined) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Resolves once no process of the host is left. The kernel ends the host with its supervisor. */
  async end(cloudId: string): Promise<void> {
    await this.signal(cloudId, 'SIGTERM');
    const isGone = async () => (await this.pid(cloudId)) === undefined;
    if (await this.#within(isGone)) return;
    await this.signal(cloudId, 'SIGKILL');
    if (!(await this.#within(isGone))) throw new Error(`the supervisor of ${cloudId} does not end`);
  }

  /** Runs a command line on the host, as root. @throws {Error} when it fails. */
  async run(cloudId: string, script: string, signal: AbortSignal): Promise<string> {
    const holder = ((await this.store.read(cloudId, FILES.holder)) ?? '').trim();
    if (!/^\d+$/.test(holder) || (await this.pid(cloudId)) === undefined) throw new Error(`${cloudId} is not up`);
    const where = ['-t', holder, '-n', '-m', '-u', `--pid=/proc/${holder}/ns/pid_for_children`];
    return await command('nsenter', [...where, 'sh', '-e'], { input: script, signal });
  }

  async lastWords(cloudId: string): Promise<string> {
    const log = (await this.store.read(cloudId, FILES.log)) ?? '';
    return log.trim().split('\n').slice(-3).join(' / ').slice(-300) || 'it said nothing';
  }

  async #within(holds: () => Promise<boolean>): Promise<boolean> {
    const endsAt = performance.now() + PATIENCE_MS;
    while (!(await holds())) {
      if (performance.now() > endsAt) return false;
      await sleep(10);
    }
    return true;
  }
}

/** Field 22 of /proc/PID/stat: when it started, in ticks since boot. A zombie does not live. */
async function startOf(pid: string): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields?.[0] === 'Z' ? undefined : fields?.[19];
}
