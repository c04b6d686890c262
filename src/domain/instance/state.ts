import type { FailureFact } from '../errors.js';
import type { FirewallRules } from '../firewall.js';
import type { CloudId, IsoTime, OfferId, RefId } from '../ids.js';
import type { Money } from '../money.js';
import type { Offer } from '../placement/offer.js';
import type { InstanceCapability, PortMapping } from '../provider.js';
import type { Size } from '../size.js';
import type { AbsenceProof, UsualBoot } from './events.js';
import type { Phase } from './phase.js';
import type { InstanceRequest } from './request.js';

/** What people want it to be. The main loop compares it with the phase. */
export type Desired = 'running' | 'stopped' | 'terminated';

/** One attempt to create. `failure` is set once it failed, whether before or after the machine existed. */
export interface Attempt {
  attempt: number;
  offer: Offer;
  at: IsoTime;
  outcome: 'open' | 'unknown' | 'created' | 'failed';
  /** When the answer was lost: what the create made may have come into being as late as that. */
  unknownSince?: IsoTime;
  /** A person said that nothing of it is left: it was not seen. */
  released?: true;
  failure?: FailureFact;
  failedAt?: IsoTime;
}

/** The provider's machine behind the instance. */
export interface Machine {
  cloudId: CloudId;
  provider: string;
  /** What it is in fact: an adopted machine may stand at another offer than the one tried. */
  offer: Offer;
  attempt: number;
  adopted: boolean;
  createdAt: IsoTime;
  capabilities: InstanceCapability[];
  sshUser: string;
  sshPort: number;
  /** It got a firewall of its own at its first boot. */
  hostFirewall?: true;
  publicAddress?: string;
  privateAddress?: string;
  portMappings?: PortMapping[];
  /** OpenSSH form, pinned at first contact: it must be the same after a stop and start. */
  hostKey?: string;
  pricePerHour?: Money;
  /** How long others of its offer took to run. */
  usualBoot?: UsualBoot;
}

/** Who keeps strangers out of a machine. */
export type FirewallKind = 'native' | 'host' | 'none';

export function firewallKind({ capabilities, hostFirewall }: Machine): FirewallKind {
  if (capabilities.includes('modify-firewall')) return 'native';
  return hostFirewall ? 'host' : 'none';
}

/** A change of a living machine that was asked for and is not yet applied. */
export type Change =
  | { kind: 'firewall'; requestId: string; rules: FirewallRules }
  | { kind: 'tags'; requestId: string; tags: Record<string, string> }
  | { kind: 'instanceType'; requestId: string; instanceType: string }
  | { kind: 'volume'; requestId: string; size: Size };

/** Something of ours that may bill and is not proved gone. */
export interface Debt {
  cloudId: CloudId;
  offer: Offer;
  since: IsoTime;
  /** `stray`: arrived late. `undeleted`: deleting it failed for longer than the policy allows. */
  cause: 'stray' | 'undeleted';
  failure?: FailureFact;
  pricePerHour?: Money;
}

/** One instance, folded from its events. Plain JSON: it travels through continue-as-new. */
export interface InstanceState {
  refId: RefId;
  request: InstanceRequest;
  phase: Phase;
  /** When this phase began. */
  since: IsoTime;
  /** The newest event's number. */
  seq: number;
  desired: Desired;
  rebootWanted: boolean;
  /** Was it ever ready? From then on a failing machine is kept, never replaced. */
  handedOver: boolean;
  /** Observations taken before this moment say nothing about the present wait. */
  freshFrom: IsoTime;
  /** Placement starts nothing new after this. Set anew by a retry. */
  provisionBy: IsoTime;
  attempts: Attempt[];
  /** Attempts up to this number belong to earlier rounds: a retry forgets their refusals. */
  roundFrom: number;
  /** While placing: no offer is worth trying before this. */
  awaitingUntil?: IsoTime;
  /** When offers were last known to have stock again. */
  restocked?: Record<OfferId, IsoTime>;
  /** While a start is wanted and was refused for lack of stock: how often, when it is tried again, and until when. */
  startRetry?: { refusals: number; at: IsoTime; until: IsoTime };
  machine?: Machine;
  /** Why the machine is being discarded, why it is parked, what refused the last command. */
  failure?: FailureFact;
  /** The rules that are wanted, and those that are known to be in force on this machine. */
  firewallRules: FirewallRules;
  appliedRules?: FirewallRules;
  /** While a machine is made, or is new: what it was asked for with, where others were wanted since. */
  bootRules?: FirewallRules;
  /** Rules that were replaced, or could not be applied, and are not yet shown to be out of force. */
  doubtfulRules?: FirewallRules;
  /** Wanted; what is not yet at the provider stands in `changes`. */
  tags: Record<string, string>;
  /** At the provider: what a refused change goes back to. */
  appliedTags?: Record<string, string>;
  diskSize?: Size;
  changes: Change[];
  debts: Debt[];
  /** Machines of ours that are proved gone, or were let go by a person and not found again since. The newest few. */
  ended: CloudId[];
  /** Processed request ids with the seq of their event, newest last; bounded. */
  handled: { requestId: string; seq: number }[];
  lastCommand?: { type: string; actor?: string; at: IsoTime };
  terminated?: AbsenceProof;
}

/** How many processed request ids are remembered. Beyond it an old id counts as new; commands are idempotent anyway. */
export const HANDLED_LIMIT = 200;
export const ENDED_LIMIT = 50;

/** The machine of a phase that has one. @throws {CorruptHistoryError} */
export function machineOf(state: InstanceState): Machine {
  if (!state.machine) throw new CorruptHistoryError(`phase ${state.phase} without a machine`);
  return state.machine;
}

export function currentAttempt(state: InstanceState): Attempt {
  const attempt = state.attempts.at(-1);
  if (!attempt) throw new CorruptHistoryError(`phase ${state.phase} without an attempt`);
  return attempt;
}

/** The create that was sent, and of which nobody knows what it made. */
export function unknownCreate({ phase, attempts }: Pick<InstanceState, 'phase' | 'attempts'>): Attempt | undefined {
  const last = attempts.at(-1);
  return phase === 'creating' && last?.outcome === 'unknown' ? last : undefined;
}

/** The events do not fit together: a bug of ours, or a history that a newer version wrote. */
export class CorruptHistoryError extends Error {
  override readonly name = 'CorruptHistoryError';
}
