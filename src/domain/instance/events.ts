import type { FailureFact } from '../errors.js';
import type { FirewallRules } from '../firewall.js';
import type { CloudId, IsoTime, OfferId } from '../ids.js';
import type { Money } from '../money.js';
import type { Offer } from '../placement/offer.js';
import type { InstanceCapability, LifecycleStatus, PortMapping } from '../provider.js';
import type { Size } from '../size.js';
import type { InstanceRequest } from './request.js';
import type { Change, FirewallKind, InstanceState } from './state.js';

/** Who asked, and under which id: the same requestId twice has one effect. */
export interface CommandStamp {
  requestId: string;
  /** A person or a service, as the caller names itself. */
  actor?: string;
}

/** How we know that a machine is gone. */
export interface AbsenceProof {
  /**
   * `never-created`: no create of ours can have worked. `not-found`, `terminated`: the provider says so. `released`: a
   * person does.
   */
  by: 'never-created' | 'not-found' | 'terminated' | 'released';
  at: IsoTime;
  /** What was seen, in words. */
  evidence: string;
}

/** How long machines of one offer took from their create until they ran, as the journal has it; in ms. */
export interface UsualBoot {
  /** How many were measured. */
  machines: number;
  p50Ms: number;
  p99Ms: number;
}

/** Facts about one instance, oldest first. Stored for good: add types, never rename or reuse one. */
export type InstanceFact =
  | { type: 'InstanceRequested'; request: InstanceRequest }
  // — placing and creating —
  /** Recorded before the provider is called: a crash in between leaves a trace to reconcile. */
  | { type: 'CreateAttempted'; attempt: number; offer: Offer }
  | { type: 'CapacityAwaited'; until: IsoTime }
  /** Somebody else was just given a machine at this offer, or the provider's catalog shows it as available again. */
  | { type: 'StockReturned'; offerId: OfferId }
  | { type: 'CapacityRefused'; attempt: number; failure: FailureFact }
  | { type: 'QuotaRefused'; attempt: number; failure: FailureFact }
  | { type: 'CredentialRefused'; attempt: number; failure: FailureFact }
  | { type: 'ProviderUnavailable'; attempt: number; failure: FailureFact }
  | { type: 'OfferRejected'; attempt: number; failure: FailureFact }
  /** Another offer would fail alike. */
  | { type: 'RequestRejected'; attempt: number; failure: FailureFact }
  /** The create was sent and its answer lost: the machine may exist. */
  | { type: 'CreateOutcomeUnknown'; attempt: number; failure: FailureFact }
  | { type: 'CreateConfirmedAbsent'; attempt: number; evidence: string }
  | {
      type: 'InstanceCreated';
      attempt: number;
      offer: Offer;
      provider: string;
      cloudId: CloudId;
      /** It existed already: an earlier create of ours had worked. */
      adopted: boolean;
      capabilities: InstanceCapability[];
      sshUser: string;
      sshPort: number;
      /** The adapter brings a firewall onto the machine, at its first boot. */
      hostFirewall?: true;
      pricePerHour?: Money;
      providerRequestId?: string;
      usualBoot?: UsualBoot;
    }
  // — until it is ready —
  | {
      type: 'InstanceRunning';
      publicAddress: string;
      privateAddress?: string;
      portMappings?: PortMapping[];
      sshUser: string;
      sshPort: number;
      /** Where the create's answer did not tell it. */
      pricePerHour?: Money;
    }
  /**
   * `native`: by the provider's own calls. `host`: on the machine itself, at its first boot. `none`: the provider has no
   * firewall per machine and no rules were asked for.
   */
  | { type: 'FirewallApplied'; rules: FirewallRules; strategy: FirewallKind }
  /** Handed over: it answered SSH, with this key (OpenSSH form). */
  | { type: 'InstanceReady'; hostKey: string; evidence: string }
  // — what goes wrong with a machine —
  | { type: 'WaitTimedOut'; waitingFor: string; failure: FailureFact }
  | { type: 'MachineFailed'; failure: FailureFact }
  | { type: 'MachineVanished'; failure: FailureFact }
  | { type: 'FirewallFailed'; failure: FailureFact }
  | { type: 'SshFailed'; failure: FailureFact }
  /** A stop or a reboot that the provider refuses for good. The machine is as it was. */
  | { type: 'StopRefused'; failure: FailureFact }
  /** `retryAt`: for lack of stock, and still wanted: it is tried again then. */
  | { type: 'StartRefused'; failure: FailureFact; retryAt?: IsoTime }
  | { type: 'RebootRefused'; failure: FailureFact }
  | { type: 'MachineDiscarded'; cloudId: CloudId; proof: AbsenceProof }
  | { type: 'InstanceParked'; failure: FailureFact; reason: string }
  // — stop, start, reboot, and what happened without us —
  | { type: 'InstanceStopping' }
  | { type: 'InstanceStopped' }
  | { type: 'InstanceStarting' }
  | { type: 'StartAccepted' }
  | { type: 'InstanceRebooting' }
  | { type: 'RebootAccepted' }
  | { type: 'StoppedOutside'; status: LifecycleStatus; message?: string }
  | { type: 'StartedOutside'; message?: string }
  // — the end —
  | { type: 'TerminationBegan'; cloudId: CloudId }
  | { type: 'InstanceTerminated'; proof: AbsenceProof; failure?: FailureFact }
  /** Something that bills could not be deleted in time. Retried for ever; closed by proof or by a person. */
  | { type: 'CleanupDebtOpened'; cloudId: CloudId; offer: Offer; failure: FailureFact; pricePerHour?: Money }
  | { type: 'CleanupDebtClosed'; cloudId: CloudId; proof: AbsenceProof }
  /** A machine with our refId that is not ours to keep: a create that arrived late. It is ended. */
  | { type: 'StrayFound'; cloudId: CloudId; offer: Offer; attemptKey?: string }
  | { type: 'StrayEnded'; cloudId: CloudId; proof: AbsenceProof }
  // — what people asked for —
  | ({ type: 'StopRequested' } & CommandStamp)
  | ({ type: 'StartRequested' } & CommandStamp)
  | ({ type: 'RebootRequested' } & CommandStamp)
  | ({ type: 'TerminateRequested'; reason?: string } & CommandStamp)
  | ({ type: 'RetryRequested' } & CommandStamp)
  | ({ type: 'DebtReleased'; cloudId: CloudId; reason: string } & CommandStamp)
  /** On a person's word an unknown create made nothing, or what it made was dealt with by hand. */
  | ({ type: 'CreateReleased'; attempt: number; reason: string } & CommandStamp)
  | ({ type: 'FirewallChangeRequested'; rules: FirewallRules } & CommandStamp)
  | ({ type: 'TagsChangeRequested'; tags: Record<string, string> } & CommandStamp)
  | ({ type: 'TypeChangeRequested'; instanceType: string } & CommandStamp)
  | ({ type: 'VolumeResizeRequested'; size: Size } & CommandStamp)
  | { type: 'ChangeApplied'; change: Change }
  | { type: 'ChangeRefused'; change: Change; failure: FailureFact }
  // — what nobody holds any more —
  /** The journal has none of the facts `from` up to this one, and the workflow no longer holds the first of them. */
  | { type: 'FactsLost'; from: number /** What all of them amounted to. */; state: InstanceState };

/** A fact with its place in the instance's life: `seq` counts from 1 without a gap, also across continue-as-new. */
export type InstanceEvent = InstanceFact & { seq: number; at: IsoTime };
export type InstanceEventType = InstanceFact['type'];
