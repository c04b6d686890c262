/** The conformance suite: what a provider must do, proved on its own API. The door to this room. */
export { type Account, accountOf } from './account.js';
export type { Check } from './check.js';
export { CHECKS, groupOf, selectChecks, UnknownCheck } from './checks/index.js';
export { type Cost, costOf, MACHINES_AT_ONCE } from './cost.js';
export { endAll, findLeftovers } from './leftovers.js';
export { chooseOffer, NoOffer, type Wanted } from './offer.js';
export { patient } from './patience.js';
export { toJUnit } from './report/junit.js';
export type { CheckResult, ConformanceReport } from './result.js';
export { type RunOptions, runConformance } from './run.js';
export type { SshDoor } from './scene.js';
export { CONTRACT_TIMING, type Timing } from './timing.js';
