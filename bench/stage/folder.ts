import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';

const IN_MEMORY = '/dev/shm';
/** 10,000 instances need 0.3 GiB; a write-ahead log may grow meanwhile. In bytes. */
const ROOM = 2 * 2 ** 30;

/**
 * Where the server's database lies: in memory, where there is room. A provision is some 3.6 MB of writes to SQLite's log,
 * and a rented machine's disk has an allowance: here it was spent after 8 GB, and every commit waited from then on. Whoever
 * wants to measure a disk names it in TMPDIR.
 */
export async function databaseRoot(env = process.env): Promise<string> {
  if (env.TMPDIR) return tmpdir();
  const free = await statfs(IN_MEMORY).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0, // not on this system
  );
  return free >= ROOM ? IN_MEMORY : tmpdir();
}
