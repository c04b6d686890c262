/** What a control plane imports. */
export type { ErrorKind, FailureFact } from '../domain/errors.js';
export type { FirewallRule, FirewallRules } from '../domain/firewall.js';
export type {
  InstanceEvent,
  InstanceEventType,
  InstanceRequestInput,
  InstanceView,
  Phase,
  Policy,
  RequestIssue,
} from '../domain/instance/index.js';
export type { LifecycleStatus } from '../domain/provider.js';
export { type CloudEvent, type CloudEventOptions, toCloudEvent } from '../journal/cloud-event.js';
export type { JournalEntry } from '../journal/journal.js';
export { connectClient, loadConnectionConfig, TemporalUnreachable } from '../temporal/connection.js';
export type { CommandInput, CommandInputs, EventsPage, Recorded } from '../workflows/messages.js';
export { type Provisioned, SlipwayClient, type SlipwayClientOptions, type WaitOptions } from './client.js';
export {
  type ComparisonOptions,
  compareWithWorkflows,
  type WorkflowComparison,
  type WorkflowDifference,
} from './compare.js';
export type { CleanupDebt } from './debts.js';
export { type ClientErrorKind, SlipwayError } from './errors.js';
export type { FollowEventsOptions } from './follow.js';
export type { ListedInstance, ListFilter } from './instances.js';
