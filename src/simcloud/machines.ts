import { createHash } from 'node:crypto';
import { makeSshKeyPair } from '../ssh-key-pair.js';
import { type Catalog, type InstanceTypeSpec, typeNamed } from './catalog.js';
import type { SimClock } from './clock.js';
import type { FaultKind } from './fault-kinds.js';
import type { Ledger } from './ledger.js';
import { Machine, type MachineHost } from './machine.js';
import type { Stock } from './stock.js';
import type { Account, HostKeyType, MachineRecord, Timing } from './types.js';

export interface MachinesParts {
  seed: string;
  clock: SimClock;
  ledger: Ledger;
  stock: Stock;
  catalog: Catalog;
  timing: Timing;
  hostKeyType: HostKeyType;
  changed: () => void;
}

export interface MachinesSnapshot {
  machines: MachineRecord[];
  nextSeq: number;
  births: Record<string, number>;
}

/**
 * The machines that accounts can see, in order of creation. What vanished or was forgotten is in the ledger alone. Here
 * is also where a machine's changes of status reach the ledger and the stock.
 */
export class Machines {
  readonly #machines = new Map<string, Machine>();
  #nextSeq = 1;
  /** How many machines each account and key has had: ids follow from it. */
  #births: Record<string, number> = {};

  constructor(private readonly parts: MachinesParts) {}

  /** The seq and the id of the next machine: the id is the same for the same seed, account, key and number of births. */
  newIdentity(account: Account, key: string): { id: string; seq: number } {
    const birth = JSON.stringify([account.name, key]);
    const nth = this.#births[birth] ?? 0;
    this.#births[birth] = nth + 1;
    const digest = createHash('sha256').update(JSON.stringify([this.parts.seed, birth, nth]));
    return { id: `i-${digest.digest('hex').slice(0, 17)}`, seq: this.#nextSeq++ };
  }

  /** The machine exists, and bills, from here. @param requestId By which it came, @param fault and what befell that request's answer. */
  add(record: MachineRecord, requestId: string, fault?: FaultKind): void {
    const { id, name, account, tags, location, instanceType, pricePerHour } = record;
    const birth = { id, name, account, requestId, tags, location, instanceType, ...(fault && { fault }) };
    this.parts.ledger.machineCreated(birth, pricePerHour);
    const machine = new Machine(record, this.#host());
    this.#machines.set(id, machine);
    machine.begin();
    this.parts.changed();
  }

  find(id: string): Machine | undefined {
    return this.#machines.get(id);
  }

  of(account: Account): Machine[] {
    return [...this.#machines.values()].filter(({ record }) => record.account === account.name);
  }

  /** What counts against the quota: everything that is not `terminated`. */
  count(account: Account, location?: string): number {
    return this.of(account).filter(
      ({ record }) => record.status !== 'terminated' && (location === undefined || record.location === location),
    ).length;
  }

  snapshot(): MachinesSnapshot {
    const machines = [...this.#machines.values()].map((machine) => machine.record);
    return { machines, nextSeq: this.#nextSeq, births: this.#births };
  }

  /** Resolves when the machines that ran answer again, where they did before. */
  async restore(snapshot: MachinesSnapshot): Promise<void> {
    this.#nextSeq = snapshot.nextSeq;
    this.#births = snapshot.births;
    for (const record of snapshot.machines) this.#machines.set(record.id, new Machine(record, this.#host()));
    await Promise.all([...this.#machines.values()].map((machine) => machine.resume()));
  }

  /** Resolves when their ports are free. */
  async close(): Promise<void> {
    await Promise.all([...this.#machines.values()].map((machine) => machine.close()));
  }

  #host(): MachineHost {
    const { clock, ledger, stock, catalog, timing, hostKeyType, changed } = this.parts;
    const giveBack = (record: MachineRecord): void => {
      if (!record.holdsStock) return;
      record.holdsStock = false;
      stock.giveBack(record.location, record.instanceType);
    };
    return {
      clock,
      timing: () => timing,
      instanceType: (record): InstanceTypeSpec => typeNamed(catalog, record.instanceType),
      makeHostKey: () => makeSshKeyPair(hostKeyType).privateKey,
      takeStock: (record) => {
        stock.take(record.location, record.instanceType);
        record.holdsStock = true;
      },
      statusBegan: (record) => {
        ledger.statusBegan(record.id, record.status, record.pricePerHour);
        if (record.status === 'stopped' || record.status === 'terminated') giveBack(record);
      },
      vanished: (record) => {
        ledger.statusBegan(record.id, 'vanished', record.pricePerHour);
        giveBack(record);
        this.#machines.delete(record.id);
        changed();
      },
      forgotten: (record) => {
        this.#machines.delete(record.id);
        changed();
      },
      changed,
    };
  }
}
