import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';

/** Where a host is, and where we are as it sees us: the two ends of its veth. */
export interface HostNetwork {
  block: number;
  /** The name of our end: whoever has it has the block, for the kernel gives a name only once. */
  link: string;
  ours: string;
  theirs: string;
}

/** 10.231.x.y, four addresses a host; the last 64 blocks are left to others. */
const BLOCKS = 255 * 64;

/**
 * A block that nobody has: neither another host of this folder, running or not, nor anybody else on this computer now.
 * @throws {Error} when all are taken.
 */
export function findNetwork(stateDir: string, cloudId: string, taken: ReadonlySet<number>): HostNetwork {
  const seed = createHash('sha256').update(`${stateDir}\n${cloudId}`).digest().readUInt32BE(0);
  for (let attempt = 0; attempt < BLOCKS; attempt++) {
    const block = (seed + attempt) % BLOCKS;
    const network = toNetwork(block);
    if (!taken.has(block) && isFree(network)) return network;
  }
  throw new Error('every block of 10.231.0.0/16 is taken');
}

export function isFree({ link }: HostNetwork): boolean {
  return !existsSync(`/sys/class/net/${link}`);
}

function toNetwork(block: number): HostNetwork {
  const network = `10.231.${block >> 6}.`;
  const first = (block & 63) * 4;
  return { block, link: `slw${block}`, ours: `${network}${first + 1}`, theirs: `${network}${first + 2}` };
}
