import type { SshKeyType } from '../ssh-key-pair.js';
import type { BehaviourKind } from './fault-kinds.js';

/** An amount with its unit; units stay as the vendor means them (GB is not GiB). */
export interface Size {
  value: number;
  unit: SizeUnit;
}

export const SIZE_UNITS = ['MB', 'MiB', 'GB', 'GiB', 'TB', 'TiB'] as const;
export type SizeUnit = (typeof SIZE_UNITS)[number];

const BYTES_PER_UNIT: Record<SizeUnit, number> = {
  MB: 1e6,
  MiB: 2 ** 20,
  GB: 1e9,
  GiB: 2 ** 30,
  TB: 1e12,
  TiB: 2 ** 40,
};

export function toBytes(size: Size): number {
  return size.value * BYTES_PER_UNIT[size.unit];
}

/** `amount` is a decimal string, for the whole machine. */
export interface Price {
  amount: string;
  currency: string;
}

/** What the API shows. A vanished machine has no status: it is not shown at all. */
export const MACHINE_STATUSES = [
  'pending',
  'running',
  'stopping',
  'stopped',
  'terminating',
  'terminated',
  'failed',
] as const;
export type MachineStatus = (typeof MACHINE_STATUSES)[number];

/** A range of ports and who may use it, TCP and UDP alike. No `ipRanges` means any address. */
export interface FirewallRule {
  id: string;
  fromPort: number;
  toPort: number;
  ipRanges: string[];
}

export interface FirewallRules {
  ingressRules: FirewallRule[];
  egressRules: FirewallRule[];
}

export interface NewFirewallRule {
  fromPort: number;
  toPort: number;
  ipRanges?: string[];
}

export interface NewFirewallRules {
  ingressRules?: NewFirewallRule[];
  egressRules?: NewFirewallRule[];
}

export type HostKeyType = SshKeyType;

/** What a dialect asks for, once it has parsed its own wire format. */
export interface CreateSpec {
  name: string;
  location: string;
  instanceType: string;
  imageId?: string;
  diskSize?: Size;
  /** OpenSSH format, one line each. */
  publicKeys: string[];
  tags: Record<string, string>;
  userDataBase64?: string;
  firewallRules?: NewFirewallRules;
  /** Honoured for accounts with `idempotentCreate`, ignored for others, as most vendors do. */
  clientToken?: string;
  /** Defaults to the option `ssh.user`; some vendors' images have another. */
  sshUser?: string;
}

/** A machine behaviour that a fault attached at creation. What `delayMs` means: `fault-kinds.ts`. */
export interface Behaviour {
  kind: BehaviourKind;
  delayMs: number;
}

/** What is still to happen to a machine, and when (ms since 1970, by the simulated clock). Survives a restart. */
export interface Plan {
  action: PlanAction;
  dueAt: number;
}

export type PlanAction =
  | 'boot'
  | 'ssh-up'
  | 'ssh-change'
  | 'stop'
  | 'terminate'
  | 'forget'
  | 'reboot'
  | 'fail'
  | 'vanish'
  | 'stop-by-itself';

/** One machine as plain JSON: all that a restart needs. Times are ms since 1970 by the simulated clock. */
export interface MachineRecord {
  id: string;
  /** Order of creation, from 1. Pages of a listing are cut by it. */
  seq: number;
  account: string;
  /** What the fault schedule knows it by: its refId tag, else client token, else name. */
  key: string;
  name: string;
  status: MachineStatus;
  statusMessage?: string;
  statusSince: number;
  createdAt: number;
  /** Before this time the machine is missing from lists and tag look-ups. */
  listedFrom: number;
  location: string;
  subLocation?: string;
  instanceType: string;
  imageId: string;
  diskSize: Size;
  pricePerHour: Price;
  publicKeys: string[];
  tags: Record<string, string>;
  userDataBase64?: string;
  clientToken?: string;
  sshUser: string;
  firewallRules: FirewallRules;
  /** Where it will be found; shown to the account once it runs. */
  address: string;
  sshPort: number;
  privateAddress: string;
  /** OpenSSH private key. */
  hostKey: string;
  /** The ports inside on which something listens, besides SSH. */
  services: number[];
  behaviours: Behaviour[];
  /** When this boot became `running`: cloud-init and the ssh faults count from here. */
  bootedAt?: number;
  cloudInitUntil?: number;
  plans: Plan[];
  /** Until it is stopped or gone. */
  holdsStock: boolean;
}

/** How long things take, in milliseconds. */
export interface Timing {
  bootMs: number;
  /** From `running` until SSH answers. */
  sshDelayMs: number;
  stopMs: number;
  startMs: number;
  rebootMs: number;
  terminateMs: number;
  /** How long a terminated machine still shows as `terminated`, before 404. */
  forgetAfterMs: number;
  /** How long a new machine is missing from lists and tag look-ups; get by id works. */
  listingLagMs: number;
  /** From `running` until `cloud-init status --wait` returns, at the first boot. */
  cloudInitMs: number;
  /** A younger machine cannot be terminated: `instance.busy`. */
  minimumTermMs: number;
}

export const DEFAULT_TIMING: Timing = {
  bootMs: 300,
  sshDelayMs: 50,
  stopMs: 100,
  startMs: 200,
  rebootMs: 150,
  terminateMs: 100,
  forgetAfterMs: 5_000,
  listingLagMs: 0,
  cloudInitMs: 0,
  minimumTermMs: 0,
};

export interface Account {
  apiKey: string;
  name: string;
  /** Whether a repeated `clientToken` returns the machine that it made before. */
  idempotentCreate?: boolean;
  suspended?: boolean;
  /** For vendors that know a service account by its signature instead of a secret. */
  authorizedKeys?: AuthorizedKey[];
}

/** The public half of a service account's key pair. */
export interface AuthorizedKey {
  /** The key's own id. */
  kid: string;
  serviceAccountId: string;
  /** PEM. */
  publicKey: string;
}
