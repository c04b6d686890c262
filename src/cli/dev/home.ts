import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** The files of one `slipway dev`, all in the folder it was started in. */
export interface DevHome {
  folder: string;
  lock: string;
  /** Who runs, and where; it stays when the process ends, so that the next one takes the same ports. */
  state: string;
  temporalDb: string;
  temporalLog: string;
  workerLog: string;
  simcloudData: string;
  journal: string;
  credentials: string;
  sshKeys: string;
  workerKey: string;
  userKey: string;
  request: string;
}

export function devHome(cwd: string): DevHome {
  return devFiles(join(cwd, '.slipway'));
}

/** The same names in any folder. */
export function devFiles(path: string): DevHome {
  const folder = resolve(path);
  const at = (name: string) => join(folder, name);
  return {
    folder,
    lock: at('dev.lock'),
    state: at('dev.json'),
    temporalDb: at('temporal.db'),
    temporalLog: at('temporal.log'),
    workerLog: at('worker.log'),
    simcloudData: at('simcloud.json'),
    journal: at('journal.db'),
    credentials: at('credentials.json'),
    sshKeys: at('ssh-keys.json'),
    workerKey: at('worker_ed25519'),
    userKey: at('id_ed25519'),
    request: at('request.json'),
  };
}

/** Written once everything answers. */
export interface DevState {
  pid: number;
  /** Temporal, gRPC. */
  address: string;
  namespace: string;
  taskQueue: string;
  ui: string;
  simcloud: string;
  startedAt: string;
}

/** What the last `dev` of this folder wrote, whether or not it still runs. */
export function readDevState({ state }: DevHome): DevState | undefined {
  try {
    const parsed = JSON.parse(readFileSync(state, 'utf8')) as Partial<DevState>;
    const { pid, address, namespace, taskQueue } = parsed;
    const isWhole = typeof pid === 'number' && [address, namespace, taskQueue].every((one) => typeof one === 'string');
    return isWhole ? (parsed as DevState) : undefined;
  } catch {
    return undefined;
  }
}

/** The `dev` of this folder, or of one above it, if it runs now. */
export function findRunningDev(cwd: string): { home: DevHome; state: DevState } | undefined {
  const home = findDevHome(cwd);
  const state = home && readDevState(home);
  return home && state && isAlive(state.pid) ? { home, state } : undefined;
}

/** The nearest `.slipway`, from `cwd` upwards, whether or not anything runs there. */
export function findDevHome(cwd: string): DevHome | undefined {
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const home = devHome(folder);
    if (existsSync(home.state)) return home;
    if (dirname(folder) === folder) return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
