import type { FailureFact, RefusalKind } from '../errors.js';
import type { FirewallRules } from '../firewall.js';
import type { CloudId, IsoTime, OfferId } from '../ids.js';
import type { Money } from '../money.js';
import type { Offer } from '../placement/offer.js';
import type { CloudInstance, LifecycleStatus, PortMapping } from '../provider.js';
import type { Size } from '../size.js';
import type { AbsenceProof, CommandStamp, UsualBoot } from './events.js';
import type { RequestIssue } from './request.js';
import type { Change, FirewallKind } from './state.js';

/** What people and services ask of an instance. */
export type Command = CommandStamp &
  (
    | { type: 'stop' }
    | { type: 'start' }
    | { type: 'reboot' }
    | { type: 'terminate'; reason?: string }
    | { type: 'retry' }
    | { type: 'release'; reason: string; cloudId?: CloudId; attempt?: number }
    | { type: 'setFirewallRules'; firewallRules: Partial<FirewallRules> }
    | { type: 'updateTags'; tags: Record<string, string> }
    | { type: 'changeInstanceType'; instanceType: string }
    | { type: 'resizeVolume'; size: Size }
  );
export type CommandName = Command['type'];

export const COMMANDS = [
  'stop',
  'start',
  'reboot',
  'terminate',
  'retry',
  'release',
  'setFirewallRules',
  'updateTags',
  'changeInstanceType',
  'resizeVolume',
] as const satisfies readonly CommandName[];

/** What the lifecycle itself has learnt, and asks to be recorded. Never refused: it has happened. */
export type Finding =
  | { type: 'PlaceNext' }
  | {
      type: 'RecordCreated';
      instance: CloudInstance;
      provider: string;
      adopted: boolean;
      hostFirewall?: true;
      providerRequestId?: string;
      usualBoot?: UsualBoot;
    }
  | { type: 'RecordCreateError'; failure: FailureFact }
  | { type: 'RecordAbsent'; evidence: string }
  | { type: 'RecordObservation'; observation: Observation }
  | { type: 'RecordWaitTimeout' }
  | { type: 'RecordFirewallApplied'; rules: FirewallRules; strategy: FirewallKind }
  | { type: 'RecordReady'; hostKey: string; evidence: string }
  | { type: 'RecordStepError'; failure: FailureFact }
  | { type: 'RecordAccepted' }
  | { type: 'RecordGone'; cloudId: CloudId; proof: AbsenceProof }
  | { type: 'RecordDebt'; failure: FailureFact }
  | { type: 'RecordStray'; observation: Observation }
  | { type: 'RecordStrayEnded'; cloudId: CloudId; proof: AbsenceProof }
  | { type: 'RecordStock'; offerId: OfferId }
  | { type: 'RecordChange'; change: Change; failure?: FailureFact }
  /** Compare what is wanted with the phase; record the first move. */
  | { type: 'Reconcile' };

/** One machine as it was seen at `at`: by the watcher, or by looking ourselves. */
export interface Observation {
  cloudId: CloudId;
  /** When the provider was asked. */
  at: IsoTime;
  /** `absent` after two complete listings, or a get that found nothing. */
  status: LifecycleStatus | 'absent';
  message?: string;
  /** Where it stands, and how to reach it: absent when it is. */
  offer?: Offer;
  attemptKey?: string;
  publicAddress?: string;
  privateAddress?: string;
  portMappings?: PortMapping[];
  sshUser?: string;
  sshPort?: number;
  pricePerHour?: Money;
  /** Of a running machine, where its provider's listings show them. */
  firewallRules?: FirewallRules;
}

/** A command that breaks a rule. `kind` becomes the failure type its caller sees. */
export class CommandRefused extends Error {
  override readonly name = 'CommandRefused';

  constructor(
    readonly kind: RefusalKind | 'NotSupported' | 'InvalidRequest',
    message: string,
    /** InvalidRequest: what is wrong, by field. */
    readonly issues: readonly RequestIssue[] = [],
  ) {
    super(message);
  }
}
