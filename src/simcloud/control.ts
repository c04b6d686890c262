import type { Cloud } from './cloud.js';
import { CloudError } from './errors.js';
import type { Fault, FaultSchedule, NewFault } from './faults.js';
import type { CallsView, LedgerLine, Report } from './ledger.js';
import type { Machine } from './machine.js';
import { toPublicHostKey } from './ssh-server.js';
import type { QuotaSetting, StockSetting } from './stock.js';
import type { MachineRecord, Timing } from './types.js';

/** A machine as the control plane sees it: everything but its private host key and its user data. */
export type MachineView = Omit<MachineRecord, 'hostKey' | 'userDataBase64'> & {
  /** `ssh-ed25519 AAAA…` */
  publicHostKey: string;
  /** Ports inside, and where they are bound on the address now; null: closed to everybody. */
  ports: { port: number; boundPort: number | null }[];
};

/**
 * What a test, a demo or an operator of simcloud may ask and do. No account sees any of it. The same in this process
 * (`Simcloud.control`) and in another (`control-client.ts`); both reject with `CloudError` for what does not exist or is wrong.
 */
export interface Control {
  ledger(): Promise<LedgerLine[]>;
  report(query?: { ownedCloudIds?: string[] }): Promise<Report>;
  calls(): Promise<CallsView>;
  /** What accounts have besides machines, such as SSH keys, as the dialect keeps it. */
  shelves(): Promise<{ dialect: string; account: string; holds: object }[]>;
  setStock(setting: StockSetting): Promise<void>;
  setQuota(setting: QuotaSetting): Promise<void>;
  suspendAccount(name: string, suspended: boolean): Promise<void>;
  addFault(fault: NewFault): Promise<Fault>;
  /** Those not yet spent. */
  faults(): Promise<Fault[]>;
  /** One, or all. */
  removeFaults(id?: string): Promise<void>;
  setSchedule(schedule: FaultSchedule | null): Promise<void>;
  /** Resolves when everything due in that time has happened. @returns the new time, ms since 1970. */
  advance(ms: number): Promise<number>;
  /** Changes the times named. It holds for what is planned from now on. @returns all of them. */
  setTiming(timing: Partial<Timing>): Promise<Timing>;
  machine(id: string): Promise<MachineView>;
  /** It is gone from lists and get, and bills no more. */
  vanish(id: string): Promise<void>;
  fail(id: string, message?: string): Promise<void>;
  /** As a provider that reclaims it. */
  stop(id: string): Promise<void>;
}

export function createControl(cloud: Cloud): Control {
  const { ledger, stock, quota, faults, clock, timing, accounts, changed } = cloud.parts;
  return {
    ledger: async () => ledger.lines(),
    report: async (query) => ledger.report(query),
    calls: async () => ledger.calls(),
    shelves: async () => cloud.shelves(),
    setStock: async (setting) => {
      stock.set(setting);
      changed();
    },
    setQuota: async (setting) => {
      quota.set(setting);
      changed();
    },
    suspendAccount: async (name, suspended) => {
      const account = accounts.find((known) => known.name === name);
      if (!account) throw new CloudError('resource.not_found', `there is no account ${name}`);
      account.suspended = suspended;
    },
    addFault: async (fault) => {
      const added = faults.add(fault);
      changed();
      return { ...added };
    },
    faults: async () => faults.list(),
    removeFaults: async (id) => {
      faults.remove(id);
      changed();
    },
    setSchedule: async (schedule) => {
      faults.setSchedule(schedule);
      changed();
    },
    advance: async (ms) => {
      await clock.advance(ms);
      changed();
      return clock.now();
    },
    setTiming: async (change) => ({ ...Object.assign(timing, change) }),
    machine: async (id) => toView(find(cloud, id)),
    vanish: async (id) => find(cloud, id).vanish(),
    fail: async (id, message = 'failed by the control plane') => find(cloud, id).fail(message),
    stop: async (id) => find(cloud, id).stopByItself(),
  };
}

function find(cloud: Cloud, id: string): Machine {
  const machine = cloud.findMachine(id);
  if (!machine) throw new CloudError('instance.not_found', `there is no machine ${id}`);
  return machine;
}

function toView(machine: Machine): MachineView {
  const { hostKey, userDataBase64: _private, ...rest } = structuredClone(machine.record);
  return { ...rest, publicHostKey: toPublicHostKey(hostKey), ports: machine.ports() };
}
