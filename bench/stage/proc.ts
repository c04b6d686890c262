import { readFileSync } from 'node:fs';

/** The kernel's unit of CPU time in /proc, in ms: USER_HZ is 100 on every Linux that Node runs on. */
const TICK_MS = 10;

/** CPU time that a process has used since its start, all threads, in ms. NaN where there is no /proc. */
export function cpuMs(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  // The name in brackets may hold anything, spaces too.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields ? (Number(fields[11]) + Number(fields[12])) * TICK_MS : Number.NaN;
}

/** Resident memory now, in MiB; `peak`: the most there ever was. NaN where there is no /proc. */
export function rssMiB(pid: number, which: 'now' | 'peak' = 'now'): number {
  const status = read(`/proc/${pid}/status`);
  const line = status?.match(which === 'now' ? /^VmRSS:\s+(\d+)/m : /^VmHWM:\s+(\d+)/m);
  return line ? Number(line[1]) / 1024 : Number.NaN;
}

/** How many files a child of ours may open. Infinity where nobody says. */
export function openFilesLimit(): number {
  const line = read('/proc/self/limits')?.match(/^Max open files\s+\S+\s+(\S+)/m);
  return line ? Number(line[1]) || Number.POSITIVE_INFINITY : Number.POSITIVE_INFINITY;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
