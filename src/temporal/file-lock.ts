/**
 * A lock between processes, for work that is only wasteful to do twice, never wrong: results are installed by rename.
 * So where certainty would be costly we let two go ahead: a waiter that has waited too long works without the lock, and
 * in the moment a stale lock is taken away two processes may both believe that they have it.
 *
 * The holder touches the file while it works. A lock is stale when its process is gone, or when it was not touched for
 * STALE_AFTER_MS (another host on a shared home, a reused pid, a stopped process).
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export const STALE_AFTER_MS = 60_000;
const TOUCH_EVERY_MS = 10_000;

export interface FileLockOptions {
  /** How long to wait for another holder before working without the lock. */
  waitMs: number;
  /** How often a waiter looks; also the pace of `onWait`. */
  pollMs?: number;
  /** Called at each look while another process holds the lock. */
  onWait?: (holder: LockHolder, waitedMs: number) => void;
}

export interface LockHolder {
  pid: number;
  host: string;
  token: string;
}

/** Runs `work` while holding the lock at `path` (a file, made and removed here). */
export async function withFileLock<T>(path: string, options: FileLockOptions, work: () => Promise<T>): Promise<T> {
  const { waitMs, pollMs = 250, onWait } = options;
  const own: LockHolder = { pid: process.pid, host: hostname(), token: randomUUID() };
  const since = Date.now();
  await mkdir(dirname(path), { recursive: true });

  while (!(await tryCreate(path, own))) {
    const holder = await findHolder(path);
    if (!holder) continue; // released between the two looks
    if (await isStale(path, holder)) {
      await takeAway(path, own.token);
      continue;
    }
    const waited = Date.now() - since;
    if (waited > waitMs) return work();
    onWait?.(holder, waited);
    await delay(pollMs);
  }

  const touch = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {}); // taken away as stale: the work goes on, see above
  }, TOUCH_EVERY_MS);
  touch.unref();
  try {
    return await work();
  } finally {
    clearInterval(touch);
    if ((await findHolder(path))?.token === own.token) await rm(path, { force: true });
  }
}

async function tryCreate(path: string, own: LockHolder): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(own), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Undefined when there is no lock. A lock that was created but not yet written reads as held by nobody we know. */
async function findHolder(path: string): Promise<LockHolder | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    const { pid, host, token } = JSON.parse(text) as Partial<LockHolder>;
    if (typeof pid === 'number' && typeof host === 'string' && typeof token === 'string') return { pid, host, token };
  } catch {}
  return { pid: 0, host: '', token: '' };
}

async function isStale(path: string, holder: LockHolder): Promise<boolean> {
  if (holder.host === hostname() && !isAlive(holder.pid)) return true;
  try {
    return Date.now() - (await stat(path)).mtimeMs > STALE_AFTER_MS;
  } catch {
    return false; // gone: the next try creates it
  }
}

/** Renamed first, so that of several waiters one removes it and the others fail and look again. */
async function takeAway(path: string, token: string): Promise<void> {
  const aside = `${path}.stale-${token}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  await rm(aside, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'; // alive, but somebody else's
  }
}
