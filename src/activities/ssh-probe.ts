/** SSH as a step with evidence: the door to `ssh/`. */
export type { CommandResult, SshConnection } from './ssh/connection.js';
export { openSsh } from './ssh/connection.js';
export { publicKeyOf, UnreadableKeyError } from './ssh/keys.js';
export { probeSsh } from './ssh/probe.js';
export type { Readiness, Until } from './ssh/readiness.js';
export type { Bastion, SshFailure, SshProbe, SshTarget } from './ssh/target.js';
export { SshError } from './ssh/target.js';
export { type WaitOptions, waitForSsh } from './ssh/wait.js';
