import type { Generated } from 'kysely';

/*
 * The tables, as kysely sees them. Absent texts are '' and not NULL: SQLite and PostgreSQL sort NULLs differently, and
 * paging by key needs one order. Times are ISO 8601 in UTC to the millisecond, so that they sort as text.
 */

export interface EventTable {
  /** 1, 2, 3 … in the order of commits, without a gap. */
  position: number;
  refId: string;
  seq: number;
  type: string;
  at: string;
  schemaVersion: number;
  /** The event's other fields, as JSON in the version named. */
  data: string;
  /** When the journal got it. */
  recordedAt: string;
  /** The run of the workflow that wrote it; '' where it was not told. */
  runId: string;
  /** How often events of this instance had been superseded by then. */
  revision: number;
  /** 1 for the first event of a revision: it takes the place of what was known from its number on. */
  supersedes: number;
}

/** An event that a later run of the workflow took the place of: the row as it was, and by whom, when and why. */
export interface SupersededTable extends EventTable {
  supersededAt: string;
  supersededBy: string;
  reason: string;
}

export interface InstanceTable {
  refId: string;
  name: string;
  phase: string;
  lifecycleStatus: string;
  desired: string;
  provider: string;
  cloudCredRefId: string;
  location: string;
  subLocation: string;
  instanceType: string;
  offerId: string;
  cloudId: string;
  priceAmount: string;
  priceCurrency: string;
  failureKind: string;
  failureMessage: string;
  debts: number;
  since: string;
  createdAt: string;
  updatedAt: string;
  readyAt: string;
  terminatedAt: string;
  seq: number;
  /** Why its events cannot be folded; '' when they can. */
  fault: string;
}

export interface AttemptTable {
  refId: string;
  attempt: number;
  offerId: string;
  cloudCredRefId: string;
  location: string;
  subLocation: string;
  instanceType: string;
  outcome: string;
  kind: string;
  evidence: string;
  cloudId: string;
  remembered: number;
  at: string;
  /** '' while it is open. */
  endedAt: string;
  tookMs: number | null;
}

export interface MachineTable {
  refId: string;
  cloudId: string;
  /** 0 for a stray, which belongs to no attempt we know. */
  attempt: number;
  offerId: string;
  cloudCredRefId: string;
  location: string;
  subLocation: string;
  instanceType: string;
  provider: string;
  adopted: number;
  priceAmount: string;
  priceCurrency: string;
  createdAt: string;
  runningMs: number | null;
  readyMs: number | null;
  /** '' while it is not proved gone. */
  goneAt: string;
  goneBy: string;
}

export interface MetaTable {
  key: string;
  value: string;
}

export interface WebhookTable {
  endpoint: string;
  /** Everything up to here was delivered, or has a row in `journal_webhook_delivery`. */
  position: number;
  leaseOwner: Generated<string>;
  /** Milliseconds since the epoch. */
  leaseUntil: Generated<number>;
}

export interface WebhookDeliveryTable {
  endpoint: string;
  position: number;
  refId: string;
  /** `retrying`: due at `dueAt`, or behind an earlier one of its instance. `dead`: given up. */
  status: string;
  tries: number;
  dueAt: number;
  lastError: string;
  updatedAt: string;
}

export interface Tables {
  journalEvent: EventTable;
  journalSuperseded: SupersededTable;
  journalInstance: InstanceTable;
  journalAttempt: AttemptTable;
  journalMachine: MachineTable;
  journalMeta: MetaTable;
  journalWebhook: WebhookTable;
  journalWebhookDelivery: WebhookDeliveryTable;
}
