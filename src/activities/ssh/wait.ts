import { pause } from './bounded.js';
import type { SshConnection } from './connection.js';
import { toProbe } from './probe.js';
import { proveReadiness, type Readiness, type Until } from './readiness.js';
import type { SshProbe, SshTarget } from './target.js';

export interface WaitOptions extends Readiness {
  /** How long to keep trying, in ms from now. At least one attempt is made. */
  deadlineMs: number;
  signal?: AbortSignal;
  /** Told the evidence of every attempt, as it ends: for heartbeats and for `describe`. */
  onAttempt?: (evidence: string) => void;
  /** How long one attempt may take to log in, in ms. Default 10 s. */
  attemptMs?: number;
  /** How long a refused key is taken for one that cloud-init has yet to write, in ms. Default 60 s. */
  keyGraceMs?: number;
  /** Between attempts, in ms, doubling. Default from 250 to 5,000. */
  gaps?: { firstMs: number; maxMs: number };
  /** What else must hold once it is ready: answers with evidence. What it throws ends the wait, but for an SshError. */
  prove?: (connection: SshConnection, until: Until) => Promise<string[]>;
}

/**
 * Tries until the machine is ready (see `Readiness`), the deadline passes, or waiting cannot mend what was seen:
 * another host key than the pinned one, or than the one that first let us in (at once), a key refused for the whole
 * grace, cloud-init failed, the wrong GPUs.
 *
 * @returns the first success, or the last failure. @throws as `probeSsh` and `prove` do.
 */
export async function waitForSsh(target: SshTarget, options: WaitOptions): Promise<SshProbe> {
  const { deadlineMs, signal, onAttempt, attemptMs = 10_000, keyGraceMs = 60_000 } = options;
  const { firstMs, maxMs } = options.gaps ?? { firstMs: 250, maxMs: 5_000 };
  const startedAt = performance.now();
  const endsAt = startedAt + deadlineMs;
  const until: Until = (ms = Number.POSITIVE_INFINITY) => ({
    timeoutMs: Math.max(1, Math.min(ms, endsAt - performance.now())),
    signal,
  });
  let rejectedSince: number | undefined;
  let { pinnedHostKey } = target;
  let gapMs = firstMs;

  for (let attempt = 1; ; attempt++) {
    const known = { ...target, ...(pinnedHostKey !== undefined && { pinnedHostKey }) };
    const { isFinal, ...probe } = await toProbe(known, until(attemptMs), async (connection) => [
      ...(await proveReadiness(connection, options, until)),
      ...((await options.prove?.(connection, until)) ?? []),
    ]);
    onAttempt?.(probe.evidence);
    if (probe.ok) return probe;
    // Pinned as soon as it let us in, not when it is ready: the next attempt runs commands there, some as root.
    pinnedHostKey ??= probe.hostKey;

    const now = performance.now();
    rejectedSince = probe.failure === 'key-rejected' ? (rejectedSince ?? now) : undefined;
    const isRefusedForGood = rejectedSince !== undefined && now - rejectedSince >= keyGraceMs;
    if (isFinal || isRefusedForGood || now + gapMs >= endsAt) {
      const tried =
        attempt === 1 ? 'tried once' : `tried ${attempt} times in ${Math.round((now - startedAt) / 1000)} s`;
      return { ok: false, failure: probe.failure, evidence: `${probe.evidence} (${tried})` };
    }
    await pause(gapMs, signal);
    gapMs = Math.min(gapMs * 2, maxMs);
  }
}
