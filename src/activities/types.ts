/** What workflows ask of the world. Workflows import these types only; inputs and results are plain JSON, stored in histories. */
import type { FirewallRules } from '../domain/firewall.js';
import type { CloudCredRefId, CloudId, IsoTime, RefId } from '../domain/ids.js';
import type { AbsenceProof, ExpectedGpus, Observation, UsualBoot } from '../domain/instance/index.js';
import type { Offer } from '../domain/placement/offer.js';
import type { CloudInstance, PortMapping } from '../domain/provider.js';
import type { Size } from '../domain/size.js';
import type { StrayDebt } from '../domain/stray-debt.js';

/** Which machine, through which account. */
export interface MachineRef {
  cloudCredRefId: CloudCredRefId;
  location: string;
  refId: RefId;
  cloudId: CloudId;
}

export interface CreateInput {
  refId: RefId;
  attempt: number;
  offer: Offer;
  name: string;
  publicKey: string;
  /** Its public half is authorised too, so that the machine can be shown to answer SSH. */
  sshKeyRef: string;
  imageId?: string;
  diskSize?: Size;
  tags: Record<string, string>;
  firewallRules: FirewallRules;
  userDataBase64?: string;
  /**
   * The run that the workflow began as; another after each `temporal workflow reset`. Told against the run in which the
   * activity finds itself: a reset to a later task gives this very input out again, in a new run.
   */
  originalRunId?: string;
}

export interface Created {
  instance: CloudInstance;
  provider: string;
  adopted: boolean;
  /** The adapter brings a firewall onto the machine, at its first boot. */
  hostFirewall?: true;
  providerRequestId?: string;
  /** What the journal knows of the offer's machines. */
  usualBoot?: UsualBoot;
  /** What the answer itself showed: an adopted machine may run already. */
  observation: Observation;
}

/** `found`: adopt it. Else the machine is proved absent, as `evidence` says. */
export interface Resolved {
  found?: Created;
  evidence: string;
}

/**
 * `watcher`: a watcher that lists will tell, there is no need to look. `listing`: a fresh listing of this process will
 * do. `nobody`: the provider is asked for this one machine.
 */
export type Trust = 'watcher' | 'listing' | 'nobody';

export interface LookInput extends MachineRef {
  trust: Trust;
  /** It may be gone: whatever the error, nothing but an answer will do. */
  isSuspected?: boolean;
}

export interface Looked {
  /** Absent when the watcher is alive: it will tell. */
  observation?: Observation;
}

/** What a firewall is to be shown to do. */
export interface FirewallClaim {
  /** What it allows now. */
  rules: FirewallRules;
  /** What it allowed before: what was taken away must be shut now. */
  before?: FirewallRules;
}

export interface ProbeInput extends MachineRef {
  host: string;
  port: number;
  user: string;
  sshKeyRef: string;
  /** OpenSSH form; absent at first contact. */
  pinnedHostKey?: string;
  /** Which of its ports are to be had at `host`; absent: all, as they are. */
  portMappings?: PortMapping[];
  /** How long to keep trying, in ms. */
  withinMs: number;
  /** What the driver must show. */
  gpus?: ExpectedGpus;
  /** What must be proved of the firewall; absent: nothing. */
  firewall?: FirewallClaim;
  /** New rules for a firewall on the machine, to be applied before they are proved; absent: it has them. */
  hostRules?: FirewallRules;
}

export interface VerifyInput extends ProbeInput {
  firewall: FirewallClaim;
}

export interface HostChangeInput extends ProbeInput {
  hostRules: FirewallRules;
}

export interface Probed {
  /** OpenSSH form. */
  hostKey: string;
  evidence: string;
}

export interface EndInput extends MachineRef {
  createdAt: IsoTime;
}

/**
 * `alert`: something happens, or may: listings follow each other as fast as the provider allows. `settled`: every machine
 * rests: now and then, and next to no heartbeats. `sweep`: one look at an account that was empty.
 */
export type Watchfulness = 'alert' | 'settled' | 'sweep';

export interface WatchInput {
  cloudCredRefId: CloudCredRefId;
  watchfulness: Watchfulness;
  /** Names this watch among all of the account. */
  watchId: string;
  /** The one before it: a process that still knows what that one told goes on from there. */
  after?: string;
  /** Machines without an owner that are not proved gone: what was told by watches before it. */
  owed?: StrayDebt[];
}

export interface Watched {
  /** `sleep`: the account holds nothing of ours, nothing is on its way, and nothing there is known for sold out. */
  next: 'alert' | 'settled' | 'sleep';
}

export interface InstanceActivities {
  /**
   * Looks for the refId, then creates. Safe to repeat.
   * Fails with the kind of the refusal, or UnknownOutcome when the machine may exist.
   */
  createInstance(input: CreateInput): Promise<Created>;
  /**
   * Looks with complete listings, twice and past the listing lag since the answer was lost, for what an unanswered create
   * may have made.
   */
  resolveCreate(input: { offer: Offer; refId: RefId; attempt: number; since: IsoTime }): Promise<Resolved>;
  /** Looks once, at what `trust` allows. `absent` is what a get does not find and a complete listing begun after it lacks. */
  lookAtInstance(input: LookInput): Promise<Looked>;
  applyFirewall(input: MachineRef & { rules: FirewallRules }): Promise<void>;
  /**
   * SSH, cloud-init, the GPUs if asked, and the firewall if asked: changed, proved; over one connection. Fails with SshUnreachable or
   * FirewallUnverified; the classified reason is the `providerCode`.
   */
  probeSsh(input: ProbeInput): Promise<Probed>;
  /** The firewall alone, of a machine that is in use. Fails as `probeSsh` does. */
  verifyFirewall(input: VerifyInput): Promise<Probed>;
  /** Changes the firewall on a machine that is in use, over SSH, and proves it if asked. Fails as `probeSsh` does. */
  changeHostFirewall(input: HostChangeInput): Promise<Probed>;
  stopInstance(input: MachineRef): Promise<void>;
  startInstance(input: MachineRef): Promise<void>;
  rebootInstance(input: MachineRef): Promise<void>;
  updateTags(input: MachineRef & { tags: Record<string, string> }): Promise<void>;
  changeInstanceType(input: MachineRef & { instanceType: string }): Promise<void>;
  resizeVolume(input: MachineRef & { size: Size }): Promise<void>;
  /** Does nothing but carry facts to the journal, as every activity does (`journal/interceptor.ts`); this one until they are there. */
  recordEvents(): Promise<void>;
  /** Asks for the end, and looks until two witnesses say that it is gone. Fails with NotYet, to be retried for ever. */
  endInstance(input: EndInput): Promise<AbsenceProof>;
}

export interface WatchActivities {
  /** Lists, compares and signals the entities whose machine changed. Returns when another watchfulness is due. */
  watchAccount(input: WatchInput): Promise<Watched>;
}

export type Activities = InstanceActivities & WatchActivities;
