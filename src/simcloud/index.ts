export type { SshBind } from './addresses.js';
export { type Catalog, DEFAULT_CATALOG, type ImageSpec, type InstanceTypeSpec, type LocationSpec } from './catalog.js';
export type { Control, MachineView } from './control.js';
export { createControlClient } from './control-client.js';
export type { SimInstance } from './dialects/sim.js';
export { CloudError, REFUSALS, type RefusalCode } from './errors.js';
export {
  FAULT_KINDS,
  type Fault,
  type FaultKind,
  type FaultMatch,
  type FaultSchedule,
  type NewFault,
  OPERATIONS,
  type Operation,
} from './faults.js';
export type { BillingInterval, CallEntry, CallsView, LedgerLine, Report } from './ledger.js';
export type { RateLimitOptions } from './rate-limit.js';
export { DEFAULT_ACCOUNT, type Simcloud, type SimcloudOptions, startSimcloud } from './server.js';
export type { QuotaSetting, StockSetting } from './stock.js';
export { type Account, DEFAULT_TIMING, type HostKeyType, type MachineStatus, type Timing } from './types.js';
