import { makeSshKeyPair } from '../ssh-key-pair.js';
import type { Addresses } from './addresses.js';
import {
  type ImageSpec,
  type InstanceTypeSpec,
  imageFor,
  type LocationSpec,
  locationNamed,
  typeNamed,
  typeSoldAt,
} from './catalog.js';
import { CloudError, invalid } from './errors.js';
import type { CallSubject, Faults } from './faults.js';
import { checkRules, toRules, withAdded, without } from './firewall-rules.js';
import { type CallContext, Gate, type IncomingCall, type Outcome } from './gate.js';
import type { Machine } from './machine.js';
import { Machines, type MachinesParts, type MachinesSnapshot } from './machines.js';
import { cutMachinePage, type Page } from './paging.js';
import type { RateLimit } from './rate-limit.js';
import { isPublicKey } from './ssh-server.js';
import { outOfStock, type Quota, type QuotaSetting, type StockSetting } from './stock.js';
import {
  type Account,
  type CreateSpec,
  type FirewallRules,
  type MachineRecord,
  type NewFirewallRules,
  type Size,
  toBytes,
} from './types.js';

/*
 * The core: what a cloud can do, whatever dialect asks for it. Dialects parse requests, call `perform` with the work
 * that one of the operations below does, and put the outcome on their wire. Operations throw `CloudError`.
 *
 * Who owns what: the cloud owns the machines that its accounts can see; the ledger keeps those that they cannot see any
 * more; a machine owns its record, ports and timers. Work runs to its end between two awaits (there is one, for the
 * address), so no two calls see a machine half made.
 */

export interface CloudParts extends MachinesParts {
  faults: Faults;
  quota: Quota;
  rateLimit: RateLimit | undefined;
  /** In place of `rateLimit`, for some dialects. */
  rateLimits: ReadonlyMap<string, RateLimit>;
  addresses: Addresses;
  accounts: Account[];
  pageSize: number;
  sshUser: string;
  /** Ports inside every new machine on which something listens, unless its tag `services` says otherwise. */
  services: number[];
}

/** A type at a location, now. */
export interface Offer {
  type: InstanceTypeSpec;
  location: LocationSpec;
  available: boolean;
}

export interface MachineQuery {
  /** All of them must be there. */
  tags?: Record<string, string>;
  location?: string;
  pageToken?: string;
  /** Default: the cloud's page size. */
  pageSize?: number;
}

export interface QuotaView {
  /** null: every location together. */
  location: string | null;
  maximum: number | null;
  current: number;
}

export interface CloudSnapshot extends MachinesSnapshot {
  stock: StockSetting[];
  quota: QuotaSetting[];
  /** Absent in files of before. */
  shelves?: Record<string, object>;
}

const DEFAULT_DISK: Size = { value: 100, unit: 'GiB' };

export class Cloud {
  readonly #machines: Machines;
  readonly #gate: Gate;
  /** By dialect and account. */
  readonly #shelves: Record<string, object> = {};

  constructor(readonly parts: CloudParts) {
    const { clock, ledger, faults, rateLimit, rateLimits } = parts;
    this.#machines = new Machines(parts);
    this.#gate = new Gate({
      clock,
      ledger,
      faults,
      rateLimitOf: (dialect) => rateLimits.get(dialect) ?? rateLimit,
      accounts: () => parts.accounts,
      subjectOf: (machineId) => this.#subjectOf(machineId),
    });
  }

  /** Every call of every dialect: see `gate.ts`. */
  perform<T>(call: IncomingCall, work: (context: CallContext) => T | Promise<T>): Promise<Outcome<T>> {
    return this.#gate.perform(call, work);
  }

  /** To be told by the dialect when it has answered; 0 when it destroyed the socket. */
  answered(requestId: string, status: number): void {
    this.parts.ledger.callAnswered(requestId, status);
  }

  // The catalog.

  offers(filter: { location?: string } = {}): Offer[] {
    const { locations, instanceTypes } = this.parts.catalog;
    if (filter.location !== undefined) locationNamed(this.parts.catalog, filter.location);
    return locations
      .filter((location) => filter.location === undefined || location.name === filter.location)
      .flatMap((location) =>
        instanceTypes
          .filter((type) => type.locations.includes(location.name))
          .map((type) => ({
            type,
            location,
            available: location.available && this.parts.stock.isAvailable(location.name, type.name),
          })),
      );
  }

  images(): ImageSpec[] {
    return this.parts.catalog.images;
  }

  locations(): LocationSpec[] {
    return this.parts.catalog.locations;
  }

  quotas({ account }: CallContext): QuotaView[] {
    const everywhere = { location: null, maximum: this.parts.quota.limit('*'), current: this.#machines.count(account) };
    return [
      everywhere,
      ...this.locations().map(({ name }) => ({
        location: name,
        maximum: this.parts.quota.limit(name),
        current: this.#machines.count(account, name),
      })),
    ];
  }

  // Machines.

  /**
   * The machine exists, and bills, when this resolves; it is `pending`.
   * @throws {CloudError} `request.invalid`, `image.not_found`, `quota.exceeded`, `capacity.out_of_stock`
   */
  async create(spec: CreateSpec, context: CallContext): Promise<MachineRecord> {
    const { type, location, image } = this.#validate(spec);
    const earlier = this.#refuseOrFindEarlier(spec, context.account);
    if (earlier) return earlier;

    const lease = await this.parts.addresses.lease();
    // Another call may have come in between: ask again, and make the machine in the same breath.
    const meanwhile = this.#refuseOrFindEarlier(spec, context.account);
    if (meanwhile) return meanwhile;

    const { clock, timing, stock, ledger } = this.parts;
    const { account, faults, requestId } = context;
    const now = clock.now();
    const key = spec.tags[ledger.refIdTag] ?? spec.clientToken ?? spec.name;
    const { id, seq } = this.#machines.newIdentity(account, key);
    const lagMs = faults.list?.kind === 'list-lags' ? faults.list.delayMs : timing.listingLagMs;
    const record: MachineRecord = {
      id,
      seq,
      account: account.name,
      key,
      name: spec.name,
      status: 'pending',
      statusSince: now,
      createdAt: now,
      listedFrom: now + lagMs,
      location: location.name,
      ...(location.subLocation === undefined ? {} : { subLocation: location.subLocation }),
      instanceType: type.name,
      imageId: image.id,
      diskSize: spec.diskSize ?? DEFAULT_DISK,
      pricePerHour: type.pricePerHour,
      publicKeys: spec.publicKeys,
      tags: spec.tags,
      ...(spec.userDataBase64 === undefined ? {} : { userDataBase64: spec.userDataBase64 }),
      ...(spec.clientToken === undefined ? {} : { clientToken: spec.clientToken }),
      sshUser: spec.sshUser ?? this.parts.sshUser,
      firewallRules: toRules(
        (!faults.behaviours.some(({ kind }) => kind === 'loses-rules') && spec.firewallRules) || {},
      ),
      address: lease.address,
      sshPort: lease.sshPort,
      privateAddress: `10.${(seq >> 16) & 255}.${(seq >> 8) & 255}.${seq & 255}`,
      hostKey: makeSshKeyPair(this.parts.hostKeyType).privateKey,
      services: readServices(spec.tags) ?? this.parts.services,
      behaviours: faults.behaviours,
      plans: [],
      holdsStock: true,
    };
    stock.take(location.name, type.name);
    this.#machines.add(record, requestId, faults.answer?.kind);
    return record;
  }

  /** @throws {CloudError} `instance.not_found`, also for another account's. */
  get(id: string, context: CallContext): MachineRecord {
    return this.#get(id, context).record;
  }

  /** In order of creation, the fault that strikes included. */
  list(query: MachineQuery, context: CallContext): Page<MachineRecord> {
    const fault = context.faults.list;
    const youngest = fault?.kind === 'list-lags' ? this.parts.clock.now() - fault.delayMs : Number.POSITIVE_INFINITY;
    const records = this.#machines
      .of(context.account)
      .filter((machine) => machine.isListed && machine.record.createdAt <= youngest)
      .map((machine) => machine.record)
      .filter((record) => query.location === undefined || record.location === query.location)
      .filter((record) => Object.entries(query.tags ?? {}).every(([key, value]) => record.tags[key] === value));
    return cutMachinePage(records, query.pageToken, query.pageSize ?? this.parts.pageSize, fault);
  }

  /** Accepted any number of times, until the machine is forgotten. */
  terminate(id: string, context: CallContext): MachineRecord {
    const machine = this.#get(id, context);
    const fault = context.faults.terminate;
    if (fault?.kind === 'terminate-lies') return machine.record;
    machine.terminate(fault?.delayMs);
    return machine.record;
  }

  stop(id: string, context: CallContext): MachineRecord {
    const machine = this.#get(id, context);
    if (!this.typeOf(machine.record).stoppable)
      invalid('instanceType', `${machine.record.instanceType} cannot be stopped`);
    machine.stop();
    return machine.record;
  }

  start(id: string, context: CallContext): MachineRecord {
    const machine = this.#get(id, context);
    machine.start();
    return machine.record;
  }

  reboot(id: string, context: CallContext): MachineRecord {
    const machine = this.#get(id, context);
    if (!this.typeOf(machine.record).rebootable)
      invalid('instanceType', `${machine.record.instanceType} cannot be rebooted`);
    machine.reboot();
    return machine.record;
  }

  /** Replaces them all. */
  setTags(id: string, tags: Record<string, string>, context: CallContext): MachineRecord {
    const { record } = this.#get(id, context);
    record.tags = { ...tags };
    this.parts.ledger.tagged(id, tags);
    this.parts.changed();
    return record;
  }

  /** Replaces them all; the new rules are in force when this resolves. Equal rules become one. */
  async setFirewallRules(id: string, rules: NewFirewallRules, context: CallContext): Promise<MachineRecord> {
    const machine = this.#get(id, context);
    checkRules(rules);
    return this.#applyRules(machine, toRules(rules));
  }

  /** All or none. @throws {CloudError} `firewall.duplicate_rule` when an equal one is there. */
  async addFirewallRules(id: string, added: NewFirewallRules, context: CallContext): Promise<MachineRecord> {
    const machine = this.#get(id, context);
    checkRules(added);
    return this.#applyRules(machine, withAdded(machine.record.firewallRules, added));
  }

  /** @throws {CloudError} `resource.not_found` */
  async removeFirewallRule(id: string, ruleId: string, context: CallContext): Promise<MachineRecord> {
    const machine = this.#get(id, context);
    return this.#applyRules(machine, without(machine.record.firewallRules, ruleId));
  }

  /** Of a stopped machine. @throws {CloudError} `instance.wrong_state`, `request.invalid` */
  changeInstanceType(id: string, instanceType: string, context: CallContext): MachineRecord {
    const { record } = this.#get(id, context);
    const type = typeSoldAt(this.parts.catalog, record.location, instanceType);
    if (record.status !== 'stopped')
      throw new CloudError('instance.wrong_state', `${id} is ${record.status}, not stopped`);
    record.instanceType = type.name;
    record.pricePerHour = type.pricePerHour;
    this.parts.ledger.priceChanged(id, 'stopped', type.pricePerHour);
    this.parts.changed();
    return record;
  }

  /** Grows only. */
  resizeDisk(id: string, diskSize: Size, context: CallContext): MachineRecord {
    const { record } = this.#get(id, context);
    if (toBytes(diskSize) < toBytes(record.diskSize)) invalid('diskSize', 'a disk only grows');
    record.diskSize = diskSize;
    this.parts.changed();
    return record;
  }

  typeOf(record: MachineRecord): InstanceTypeSpec {
    return typeNamed(this.parts.catalog, record.instanceType);
  }

  /**
   * What an account has in a dialect besides machines: SSH keys, account-wide rules. Plain JSON; it survives a restart
   * once `parts.changed()` was called after a change.
   */
  shelfOf<T extends object>(dialect: string, account: Account, fresh: () => T): T {
    const name = JSON.stringify([dialect, account.name]);
    this.#shelves[name] ??= fresh();
    return this.#shelves[name] as T;
  }

  /** What accounts have besides machines: all of it. */
  shelves(): { dialect: string; account: string; holds: object }[] {
    return Object.entries(this.#shelves).map(([name, holds]) => {
      const [dialect = '', account = ''] = JSON.parse(name) as string[];
      return { dialect, account, holds: structuredClone(holds) };
    });
  }

  // For the control plane and persistence, which see every account's machines.

  findMachine(id: string): Machine | undefined {
    return this.#machines.find(id);
  }

  snapshot(): CloudSnapshot {
    const { stock, quota } = this.parts;
    return { ...this.#machines.snapshot(), stock: stock.settings(), quota: quota.settings(), shelves: this.#shelves };
  }

  /** Resolves when the machines that ran answer again, where they did before. */
  async restore(snapshot: CloudSnapshot): Promise<void> {
    const { stock, quota, addresses } = this.parts;
    stock.restore(snapshot.stock);
    quota.restore(snapshot.quota);
    Object.assign(this.#shelves, snapshot.shelves);
    await addresses.reclaim(snapshot.machines.map((record) => record.address));
    await this.#machines.restore(snapshot);
  }

  /** Resolves when every port is free. */
  async close(): Promise<void> {
    await this.#machines.close();
    this.parts.addresses.close();
  }

  // Inside.

  async #applyRules(machine: Machine, rules: FirewallRules): Promise<MachineRecord> {
    machine.record.firewallRules = rules;
    await machine.applyFirewall();
    this.parts.changed();
    return machine.record;
  }

  #validate(spec: CreateSpec): { type: InstanceTypeSpec; location: LocationSpec; image: ImageSpec } {
    const { catalog } = this.parts;
    const location = locationNamed(catalog, spec.location);
    const type = typeSoldAt(catalog, spec.location, spec.instanceType);
    const image = imageFor(catalog, type, spec.imageId);
    const bad = spec.publicKeys.findIndex((line) => !isPublicKey(line));
    if (bad >= 0) invalid(`publicKeys.${bad}`, 'not a public key in OpenSSH format, on one line');
    checkRules(spec.firewallRules ?? {}, 'firewallRules.');
    return { type, location, image };
  }

  /** @returns the machine that the same client token made before, if the account has that. */
  #refuseOrFindEarlier(spec: CreateSpec, account: Account): MachineRecord | undefined {
    const earlier = this.#findByToken(spec, account);
    if (earlier) return earlier;
    const { quota, stock, catalog } = this.parts;
    quota.check(spec.location, this.#machines.count(account, spec.location), this.#machines.count(account));
    const isOpen = locationNamed(catalog, spec.location).available;
    if (!isOpen || !stock.isAvailable(spec.location, spec.instanceType)) {
      throw outOfStock(spec.location, spec.instanceType);
    }
    return undefined;
  }

  /** @throws {CloudError} `request.invalid` when the token was used for another request. */
  #findByToken(spec: CreateSpec, account: Account): MachineRecord | undefined {
    if (!account.idempotentCreate || spec.clientToken === undefined) return undefined;
    const earlier = this.#machines.of(account).find(({ record }) => record.clientToken === spec.clientToken)?.record;
    if (!earlier) return undefined;
    const isSame = (['name', 'location', 'instanceType'] as const).every((field) => earlier[field] === spec[field]);
    return isSame ? earlier : invalid('clientToken', 'it was used before, for another request');
  }

  #get(id: string, { account }: CallContext): Machine {
    const machine = this.#machines.find(id);
    if (machine && machine.record.account === account.name) return machine;
    throw new CloudError('instance.not_found', `there is no instance ${id}`);
  }

  #subjectOf(machineId: string): Omit<CallSubject, 'account'> | undefined {
    const record = this.#machines.find(machineId)?.record;
    if (!record) return undefined;
    const { key, tags, instanceType, location, name } = record;
    return { key, tags, instanceType, location, name };
  }
}

/** The tag `services`: ports, comma-separated. */
function readServices(tags: Record<string, string>): number[] | undefined {
  if (tags.services === undefined) return undefined;
  const ports = tags.services.split(',').map(Number);
  const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65_536 && port !== 22;
  return ports.filter(isPort);
}
