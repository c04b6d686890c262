/** How long each thing may take, in ms. */
export interface Timing {
  /** A create must be answered by then: a longer one is taken for dead. */
  createMs: number;
  runningMs: number;
  sshMs: number;
  stoppedMs: number;
  startedMs: number;
  rebootedMs: number;
  goneMs: number;
  /** Until keys, disks and the like have followed their machine. */
  sideResourcesMs: number;
  /** Until a disk that was made greater is greater inside its machine. */
  resizedMs: number;
  /** How long a firewall may take to become what it should be. */
  firewallMs: number;
  /** One command on the machine that installs, pulls or waits. */
  installMs: number;
}

const MINUTE_MS = 60_000;

/** The times of the contract: an instance gets no longer from the worker either. */
export const CONTRACT_TIMING: Timing = {
  createMs: MINUTE_MS,
  runningMs: 20 * MINUTE_MS,
  sshMs: 10 * MINUTE_MS,
  stoppedMs: 10 * MINUTE_MS,
  startedMs: 20 * MINUTE_MS,
  rebootedMs: 10 * MINUTE_MS,
  goneMs: 20 * MINUTE_MS,
  sideResourcesMs: 5 * MINUTE_MS,
  resizedMs: 5 * MINUTE_MS,
  firewallMs: 15_000,
  installMs: 10 * MINUTE_MS,
};
