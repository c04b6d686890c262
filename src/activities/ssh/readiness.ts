import type { Bounds, SshConnection } from './connection.js';
import { mustSucceed } from './probe.js';
import { quote, SshError } from './target.js';

/** What must hold beyond a login before a machine is handed over. */
export interface Readiness {
  /** Wait for cloud-init to finish. Default: yes. */
  cloudInit?: boolean;
  /** Default: GPUs are not looked at. */
  gpus?: {
    count: number;
    /** Told each device as its driver names it, such as `NVIDIA H100 80GB HBM3`. Absent: any will do. */
    isExpected?: (deviceName: string) => boolean;
  };
}

/** How long a command that only looks may take, in ms. A driver that is not up yet takes seconds to answer. */
const LOOK_MS = 30_000;
const NOT_FOUND = 127;

/**
 * Proves, over one connection and in order: a command runs, cloud-init is done, the GPUs are there.
 * @returns the evidence, in words. @throws {SshError}
 */
export async function proveReadiness(connection: SshConnection, readiness: Readiness, until: Until): Promise<string[]> {
  const words = [await mustSucceed(connection, 'true', until(LOOK_MS))];
  if (readiness.cloudInit !== false) words.push(await awaitCloudInit(connection, until));
  if (readiness.gpus) words.push(await checkGpus(connection, readiness.gpus, until));
  return words;
}

/** The bounds of one command: what is left of the whole, at most `ms`. */
export type Until = (ms?: number) => Bounds;

/** https://docs.cloud-init.io/en/latest/explanation/return_codes.html: 1 is a crash or an error, 2 a recoverable one. */
async function awaitCloudInit(connection: SshConnection, until: Until): Promise<string> {
  const { exitCode, killedBy, stdout } = await connection.run('cloud-init status --wait', until());
  switch (exitCode) {
    case 0:
      return 'cloud-init is done';
    case 2:
      return 'cloud-init is done, with recoverable errors';
    case NOT_FOUND:
      return 'there is no cloud-init';
    case undefined: // ended by a signal, as a reboot does it
      throw new SshError('command-failed', `we are in, and cloud-init’s wait was ended by ${killedBy}`);
    default: {
      const status = /^status: \w+/m.exec(stdout)?.[0] ?? 'no status';
      throw new SshError('command-failed', `we are in, and cloud-init failed: exit ${exitCode}, ${status}`, {
        isFinal: true,
      });
    }
  }
}

type Gpus = NonNullable<Readiness['gpus']>;

/** A driver that does not answer yet may come up; other GPUs than ordered stay what they are. */
async function checkGpus(connection: SshConnection, { count, isExpected }: Gpus, until: Until): Promise<string> {
  const found = await listGpus(connection, until);
  const names = [...new Set(found)].map((name) => quote(name)).join(', ') || 'none';
  const seen = `${found.length} GPUs (${names})`;
  if (found.length !== count || (isExpected && !found.every(isExpected))) {
    throw new SshError('command-failed', `we are in, and find ${seen} where ${count} as ordered were expected`, {
      isFinal: true,
    });
  }
  return seen;
}

async function listGpus(connection: SshConnection, until: Until): Promise<string[]> {
  const nvidia = await connection.run('nvidia-smi -L', until(LOOK_MS));
  if (nvidia.exitCode === 0) return nvidiaDevices(nvidia.stdout);
  const amd = await connection.run('rocm-smi --showproductname', until(LOOK_MS));
  if (amd.exitCode === 0) return matches(amd.stdout, /^GPU\[\d+\]\s*:\s*Card Series:\s*(.*?)\s*$/gim);
  const exits = `nvidia-smi exited ${nvidia.exitCode}, rocm-smi ${amd.exitCode}`;
  throw new SshError('command-failed', `we are in, and no GPU driver answers: ${exits}`);
}

/** A device a line; below one that is cut up (MIG) its slices stand, indented: they are what there is to be had, then. */
function nvidiaDevices(text: string): string[] {
  return text.split(/^(?=GPU \d+: )/m).flatMap((device) => {
    const parents = matches(device, /^GPU \d+: (.*?)(?: \(UUID: .*)?$/gm);
    const slices = matches(device, /^\s+MIG (\S+)\s+Device\s+\d+:/gm);
    return slices.length === 0 ? parents : slices.map((profile) => `${parents[0]} MIG ${profile}`);
  });
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, name = '']) => name);
}
