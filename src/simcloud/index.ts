export type { SshBind } from './addresses.js';
export type { Catalog, ImageSpec, InstanceTypeSpec, LocationSpec } from './catalog.js';
export type { Control, MachineView } from './control.js';
export { createControlClient } from './control-client.js';
export { DEFAULT_CATALOG } from './default-catalog.js';
export { accessKeyIdOf } from './dialects/aws.js';
export { LAMBDA_RATE_LIMIT } from './dialects/lambda-labs.js';
export { TENANT as NEBIUS_TENANT } from './dialects/nebius-wire.js';
export type { SimInstance } from './dialects/sim.js';
export { CloudError, REFUSALS, type RefusalCode } from './errors.js';
export { FAULT_KINDS, type FaultKind, OPERATIONS, type Operation } from './fault-kinds.js';
export type { Fault, FaultMatch, FaultSchedule, NewFault } from './faults.js';
export type { BillingInterval, CallEntry, CallsView, LedgerLine, Report } from './ledger.js';
export type { RateLimitOptions } from './rate-limit.js';
export { DEFAULT_ACCOUNT, type Simcloud, type SimcloudOptions, startSimcloud } from './server.js';
export type { QuotaSetting, StockSetting } from './stock.js';
export {
  type Account,
  type AuthorizedKey,
  DEFAULT_TIMING,
  type HostKeyType,
  type MachineStatus,
  type Timing,
} from './types.js';
