import type { LifecycleStatus } from '../provider.js';

/** Where our lifecycle of one instance stands. Stored: add, never rename. */
export const PHASES = [
  'placing',
  'creating',
  'pending',
  'firewalling',
  'connecting',
  'ready',
  'stopping',
  'stopped',
  'starting',
  'rebooting',
  'discarding',
  'terminating',
  'terminated',
  'parked',
] as const;
export type Phase = (typeof PHASES)[number];

/** The phase as the field's nine words. Total: what is missing here does not compile. */
export const LIFECYCLE_STATUS: Record<Phase, LifecycleStatus> = {
  placing: 'pending',
  creating: 'pending',
  pending: 'pending',
  firewalling: 'pending',
  connecting: 'pending',
  ready: 'running',
  stopping: 'stopping',
  stopped: 'stopped',
  starting: 'pending',
  rebooting: 'pending',
  discarding: 'pending',
  terminating: 'terminating',
  terminated: 'terminated',
  parked: 'failed',
};

/** Phases in which a machine of ours may bill. */
export const BILLED: ReadonlySet<Phase> = new Set(PHASES.filter((phase) => !['placing', 'terminated'].includes(phase)));

/** Phases that wait for a person, not for a deadline. */
export const WAITS_FOR_A_PERSON: ReadonlySet<Phase> = new Set<Phase>(['ready', 'stopped', 'parked']);

/** Nothing leads out of these. */
export const FINAL: ReadonlySet<Phase> = new Set<Phase>(['terminated']);

/** Phases with a machine that is wanted: one that fails in them is lost. A parked one has failed already. */
export const IN_USE: ReadonlySet<Phase> = new Set<Phase>([
  'pending',
  'firewalling',
  'connecting',
  'ready',
  'stopping',
  'stopped',
  'starting',
  'rebooting',
]);

/** Where a stop can begin, once the machine was ever handed over. `starting` and `rebooting` finish their call first. */
export const STOPPABLE: ReadonlySet<Phase> = new Set<Phase>([
  'ready',
  'pending',
  'firewalling',
  'connecting',
  'parked',
]);

/** Phases in which the instance is on its way out, and no command but terminate, retry and release means anything. */
export const ENDING: ReadonlySet<Phase> = new Set<Phase>(['terminating', 'terminated']);

/** What each phase waits for, in words: `describe` and Temporal's UI show it. */
export const WAITS_FOR: Record<Phase, string> = {
  placing: 'an offer with stock and quota',
  creating: 'the provider to accept the machine',
  pending: 'the provider to report it running',
  firewalling: 'its firewall to be applied',
  connecting: 'it to answer SSH',
  ready: 'a command',
  stopping: 'the provider to report it stopped',
  stopped: 'a command',
  starting: 'the provider to accept the start',
  rebooting: 'the provider to accept the reboot',
  discarding: 'proof that a machine that failed is gone',
  terminating: 'proof that the machine is gone',
  terminated: 'nothing',
  parked: 'a person: retry or terminate',
};

/** How long each phase lasts when all is well, in words for people. The deadlines are policy. */
export const NORMALLY: Partial<Record<Phase, string>> = {
  placing: 'under a second, or until an offer has stock',
  creating: 'under a minute',
  pending: '1 to 10 minutes',
  firewalling: 'a few seconds',
  connecting: 'up to 2 minutes',
  stopping: 'up to 2 minutes',
  starting: 'a few seconds',
  rebooting: 'a few seconds',
  discarding: 'up to 2 minutes',
  terminating: 'up to 2 minutes',
};
