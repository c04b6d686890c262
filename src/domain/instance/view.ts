import { formatMs } from '../duration.js';
import type { FailureFact } from '../errors.js';
import type { FirewallRules } from '../firewall.js';
import type { CloudId, IsoTime, RefId } from '../ids.js';
import type { Money } from '../money.js';
import type { Offer } from '../placement/offer.js';
import type { InstanceCapability, LifecycleStatus, PortMapping } from '../provider.js';
import { phaseDeadline } from './deadlines.js';
import type { AbsenceProof } from './events.js';
import { LIFECYCLE_STATUS, NORMALLY, type Phase, WAITS_FOR } from './phase.js';
import type { Attempt, Change, Debt, Desired, InstanceState } from './state.js';

/** What `describe` answers: where the instance stands, and why. No user data, no secret. */
export interface InstanceView {
  refId: RefId;
  name: string;
  phase: Phase;
  lifecycleStatus: LifecycleStatus;
  /** When the phase began. */
  since: IsoTime;
  waitingFor: string;
  /** How long the phase lasts when all is well, in words; absent where a person is waited for. */
  normally?: string;
  /** When it gives up, or tries again. */
  deadline?: IsoTime;
  desired: Desired;
  /** Number of the newest event. */
  seq: number;
  /** Where it runs, or is being tried. */
  offer?: Offer;
  provider?: string;
  cloudId?: CloudId;
  adopted?: boolean;
  address?: string;
  privateAddress?: string;
  /** Which of its ports are to be had at `address`, where that is not its own. */
  portMappings?: PortMapping[];
  sshUser?: string;
  sshPort?: number;
  /** OpenSSH form: `ssh-ed25519 AAAA…`. */
  hostKey?: string;
  /** One line for `known_hosts`. */
  knownHosts?: string;
  pricePerHour?: Money;
  capabilities?: InstanceCapability[];
  firewallRules: FirewallRules;
  /** Are the wanted rules known to be in force? */
  firewallApplied: boolean;
  tags: Record<string, string>;
  attempts: Attempt[];
  pendingChanges: Change[];
  failure?: FailureFact;
  /** What may bill and is not proved gone. */
  cleanupDebt: Debt[];
  lastCommand?: { type: string; actor?: string; at: IsoTime };
  terminated?: AbsenceProof;
}

export function toView(state: InstanceState): InstanceView {
  const { machine, phase } = state;
  const offer = machine?.offer ?? (phase === 'creating' ? state.attempts.at(-1)?.offer : undefined);
  const deadline = nextWakeUp(state);
  return {
    refId: state.refId,
    name: state.request.name,
    phase,
    lifecycleStatus: LIFECYCLE_STATUS[phase],
    since: state.since,
    waitingFor: WAITS_FOR[phase],
    ...normally(state),
    ...(deadline && { deadline }),
    desired: state.desired,
    seq: state.seq,
    ...(offer && { offer }),
    ...(machine && {
      provider: machine.provider,
      cloudId: machine.cloudId,
      adopted: machine.adopted,
      address: machine.publicAddress,
      privateAddress: machine.privateAddress,
      portMappings: machine.portMappings,
      sshUser: machine.sshUser,
      sshPort: machine.sshPort,
      hostKey: machine.hostKey,
      knownHosts: knownHosts(machine),
      pricePerHour: machine.pricePerHour,
      capabilities: machine.capabilities,
    }),
    firewallRules: state.firewallRules,
    firewallApplied: isFirewallApplied(state),
    tags: state.tags,
    attempts: state.attempts,
    pendingChanges: state.changes,
    ...(state.failure && { failure: state.failure }),
    cleanupDebt: state.debts,
    ...(state.lastCommand && { lastCommand: state.lastCommand }),
    ...(state.terminated && { terminated: state.terminated }),
  };
}

function normally({ phase, machine, handedOver }: InstanceState): { normally?: string } {
  const { usualBoot } = machine ?? {};
  if (phase === 'pending' && usualBoot && !handedOver) {
    const { machines, p50Ms, p99Ms } = usualBoot;
    const measured = `of ${machines} machine${machines === 1 ? '' : 's'} of this offer`;
    return { normally: `${formatMs(p50Ms)} (at most ${formatMs(p99Ms)} for 99 in 100 ${measured})` };
  }
  return NORMALLY[phase] ? { normally: NORMALLY[phase] } : {};
}

function isFirewallApplied({ appliedRules, doubtfulRules, changes }: InstanceState): boolean {
  return appliedRules !== undefined && doubtfulRules === undefined && !changes.some(({ kind }) => kind === 'firewall');
}

/** When it tries again, or gives up. */
function nextWakeUp(state: InstanceState): IsoTime | undefined {
  if (state.phase === 'placing') return state.awaitingUntil ?? state.provisionBy;
  if (state.phase === 'stopped') return state.startRetry?.at;
  return phaseDeadline(state);
}

/** As `known_hosts` spells it: a port other than 22 puts the host in brackets. */
function knownHosts(machine: { publicAddress?: string; sshPort: number; hostKey?: string }): string | undefined {
  const { publicAddress, sshPort, hostKey } = machine;
  if (!publicAddress || !hostKey) return undefined;
  return `${sshPort === 22 ? publicAddress : `[${publicAddress}]:${sshPort}`} ${hostKey}`;
}
