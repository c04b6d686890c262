import { randomBytes } from 'node:crypto';
import type { PortMapping } from '../../domain/provider.js';
import { pause } from '../ssh/bounded.js';
import type { SshConnection } from '../ssh/connection.js';
import type { Until } from '../ssh/readiness.js';
import type { SshTarget } from '../ssh/target.js';
import type { FirewallClaim } from '../types.js';
import { type Listener, startListener } from './listener.js';
import { choosePorts, type PortsToProve, type PortToProve } from './ports.js';
import { lookAround } from './surroundings.js';
import { FirewallError, look } from './verdict.js';

/*
 * The proof that a firewall holds, over a connection that has just shown that SSH answers from outside:
 *
 *   1. a listener on the ports to prove, which answers when asked from inside;
 *   2. the same ports dialled from here: what a rule allows must answer, and nothing else may;
 *   3. from inside again: it is still there behind the shut ports, so that it was the firewall.
 *
 * A vendor's firewall takes effect when it does: 2 and 3 are repeated for a while before they count against it.
 */

export interface ProofOptions {
  until: Until;
  /** Told what speaks against it, while it may still settle: for heartbeats. */
  report?: (evidence: string) => void;
  /** How long the firewall may take to become what it should be, in ms. Default 15 s. */
  settleMs?: number;
  gaps?: { firstMs: number; maxMs: number };
}

/** Where else than on its own port SSH may answer, and no rule is needed. */
const SSH_PORTS = [22, 2222];

/** A listener may take this many times as long to appear as a firewall may take to settle. */
const WITNESS_FACTOR = 4;

export { FirewallError };

/** @returns the evidence, in words. @throws {FirewallError} {SshError} */
export async function proveFirewall(
  connection: SshConnection,
  target: SshTarget & { portMappings?: readonly PortMapping[] | undefined },
  claim: FirewallClaim,
  { until, report, settleMs = 15_000, gaps = { firstMs: 250, maxMs: 2_000 } }: ProofOptions,
): Promise<string[]> {
  const seen = await lookAround(connection, until);
  const { portMappings = [] } = target;
  const ssh = [...SSH_PORTS, ...(portMappings.length > 0 ? [] : [target.port]), ...(seen.port ? [seen.port] : [])];
  const plan = choosePorts(claim, seen.us, ssh, portMappings);
  const isBlind = portMappings.length === 0 && seen.port !== undefined && seen.port !== target.port;
  const where = {
    address: seen.address,
    word: `slipway-${randomBytes(4).toString('hex')}`,
    isRoot: target.user === 'root',
  };
  const ports = [...plan.spare, ...plan.revoked, ...(isBlind ? [] : plan.open)].map(({ port }) => port);
  // A machine that has just booted is busy: that nothing listens yet says nothing about its firewall.
  const witnessBy = performance.now() + Math.min(WITNESS_FACTOR * settleMs, until().timeoutMs);
  const listen = async (gapMs: number): Promise<Listener> => {
    const listener = await startListener(connection, ports, where, until);
    const isEnough = plan.spare.length === 0 || plan.spare.some(isOn(listener));
    if (isEnough || performance.now() + gapMs >= witnessBy) return listener;
    listener.end();
    report?.(noWitness(plan.spare).message);
    await pause(gapMs, until().signal);
    return await listen(Math.min(gapMs * 2, gaps.maxMs));
  };
  const listener = await listen(gaps.firstMs);
  const spare = plan.spare.filter(isOn(listener)).slice(0, 1);
  const shut = [...spare, ...plan.revoked.filter(isOn(listener))];
  const open = isBlind ? [] : plan.open.filter(isOn(listener));
  try {
    if (plan.spare.length > 0 && spare.length === 0) throw noWitness(plan.spare);
    const endsAt = performance.now() + Math.min(settleMs, until().timeoutMs);
    let gapMs = gaps.firstMs;
    for (;;) {
      const verdict = await look({
        shut,
        open,
        listener,
        connection,
        sshPort: target.port,
        isBlind,
        word: where.word,
        until,
      });
      if (verdict.holds) return [...verdict.evidence, ...notProved(plan, [...shut, ...open], isBlind)];
      report?.(verdict.error.message);
      if (performance.now() + gapMs >= endsAt) throw verdict.error;
      await pause(gapMs, until().signal);
      gapMs = Math.min(gapMs * 2, gaps.maxMs);
    }
  } finally {
    listener.end();
  }
}

function isOn({ ports }: Listener): (one: PortToProve) => boolean {
  return ({ port }) => ports.includes(port);
}

function noWitness(ports: readonly PortToProve[]): FirewallError {
  const tried = ports.map(({ port }) => port).join(', ');
  return new FirewallError(
    'no-witness',
    `nothing could be made to listen on the machine (port ${tried}; perl, python3 and nc were tried): that a port does not answer would prove nothing`,
  );
}

/** What the evidence does not cover, said in it. */
function notProved(plan: PortsToProve, witnessed: readonly PortToProve[], isBlind: boolean): string[] {
  const hasNone = ({ port }: PortToProve) => !witnessed.some((one) => one.port === port);
  return [
    ...(isBlind ? ['the address maps ports: rules are not proved open'] : []),
    ...(isBlind ? [] : plan.open.filter(hasNone).map(({ rule }) => `not proved: rule ${rule}`)),
    ...plan.revoked.filter(hasNone).map(({ rule }) => `not proved: rule ${rule} is gone`),
    ...plan.unproved.map((what) => `not proved: ${what}`),
  ];
}
