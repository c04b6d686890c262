import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { pause } from '../ssh/bounded.js';
import type { SshConnection } from '../ssh/connection.js';
import type { Until } from '../ssh/readiness.js';
import type { SshTarget } from '../ssh/target.js';
import type { FirewallClaim } from '../types.js';
import { type Listener, startListener, type Where } from './listener.js';
import { lookFromOutside, type Met } from './outside.js';
import { choosePorts, type PortsToProve, type PortToProve } from './ports.js';

/*
 * The proof that a firewall holds, over a connection that has just shown that SSH answers from outside:
 *
 *   1. a listener on each port to prove, which answers when asked from inside;
 *   2. the same ports dialled from here: what a rule allows must answer, and nothing else may;
 *   3. from inside again: the listeners behind the shut ports are still there, so that it was the firewall.
 *
 * A vendor's firewall takes effect when it does: 2 and 3 are repeated for a while before they count against it.
 */

/**
 * - `leaks`: a port that no rule allows answers
 * - `shut`: a port that a rule allows does not
 * - `no-witness`: nothing could be made to listen on the machine, so a port that does not answer proves nothing
 */
export type FirewallFinding = 'leaks' | 'shut' | 'no-witness';

/** The firewall was not shown to hold; `message` is the evidence. */
export class FirewallError extends Error {
  override readonly name = 'FirewallError';

  constructor(
    readonly finding: FirewallFinding,
    evidence: string,
  ) {
    super(evidence);
  }
}

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

/** @returns the evidence, in words. @throws {FirewallError} {SshError} */
export async function proveFirewall(
  connection: SshConnection,
  target: SshTarget,
  claim: FirewallClaim,
  { until, report, settleMs = 15_000, gaps = { firstMs: 250, maxMs: 2_000 } }: ProofOptions,
): Promise<string[]> {
  const seen = await lookAround(connection, until);
  const isMapped = seen.port !== undefined && seen.port !== target.port;
  const plan = choosePorts(claim, seen.us, [...SSH_PORTS, target.port]);
  const where = {
    address: seen.address,
    word: `slipway-${randomBytes(4).toString('hex')}`,
    isRoot: target.user === 'root',
  };
  const listen = (wanted: readonly PortToProve[]) => listenOn(connection, wanted, where, until);
  const [spare, revoked, open] = await Promise.all([
    listenOnFirst(connection, plan.spare, where, until),
    listen(plan.revoked),
    isMapped ? [] : listen(plan.open),
  ]);
  const shut = [...spare, ...revoked];
  try {
    if (plan.spare.length > 0 && spare.length === 0) throw noWitness(plan.spare);
    const endsAt = performance.now() + Math.min(settleMs, until().timeoutMs);
    let gapMs = gaps.firstMs;
    for (;;) {
      const verdict = await look({ shut, open, host: target.host, isMapped, word: where.word, until });
      if (!verdict.against) return [...verdict.evidence, ...notProved(plan, [...shut, ...open], isMapped)];
      report?.(verdict.against.message);
      if (performance.now() + gapMs >= endsAt) throw verdict.against;
      await pause(gapMs, until().signal);
      gapMs = Math.min(gapMs * 2, gaps.maxMs);
    }
  } finally {
    for (const { listener } of [...shut, ...open]) listener.end();
  }
}

interface Surroundings {
  /** Our address, as the machine sees it. */
  us?: string;
  /** The machine's own address, and SSH's port there. */
  address: string;
  port?: number;
}

/** Asks the SSH server who is talking to it, and where: addresses may be translated between us. */
async function lookAround(connection: SshConnection, until: Until): Promise<Surroundings> {
  const { stdout } = await connection.run('printenv SSH_CONNECTION', until(10_000));
  const [client = '', , server = '', port = ''] = stdout.trim().split(/\s+/).map(plainAddress);
  if (isIP(server) === 0) return { address: '127.0.0.1' };
  return {
    address: server,
    ...(isIP(client) !== 0 && { us: client }),
    ...(/^\d+$/.test(port) && { port: Number(port) }),
  };
}

/** IPv4 in an IPv6 coat is IPv4; a zone is of no use here. */
function plainAddress(text: string): string {
  return text.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
}

interface Witnessed extends PortToProve {
  listener: Listener;
}

/** Those of the ports on which something answers inside. */
async function listenOn(
  connection: SshConnection,
  wanted: readonly PortToProve[],
  where: Where,
  until: Until,
): Promise<Witnessed[]> {
  const each = await Promise.all(
    wanted.map(async (one) => ({ ...one, listener: await startListener(connection, one.port, where, until) })),
  );
  return each.filter((one): one is Witnessed => one.listener !== undefined);
}

async function listenOnFirst(
  connection: SshConnection,
  wanted: readonly PortToProve[],
  where: Where,
  until: Until,
): Promise<Witnessed[]> {
  for (const one of wanted) {
    const listener = await startListener(connection, one.port, where, until);
    if (listener) return [{ ...one, listener }];
  }
  return [];
}

interface Look {
  shut: readonly Witnessed[];
  open: readonly Witnessed[];
  host: string;
  /** The address is not the machine's alone: only our own listener's word counts. */
  isMapped: boolean;
  word: string;
  until: Until;
}

async function look({
  shut,
  open,
  host,
  isMapped,
  word,
  until,
}: Look): Promise<{ against?: FirewallError; evidence: string[] }> {
  const meet = async (one: Witnessed) => ({ one, met: await lookFromOutside(host, one.port, until().signal) });
  const [metShut, metOpen] = await Promise.all([Promise.all(shut.map(meet)), Promise.all(open.map(meet))]);
  const answered = (met: Met) => met.met === 'an answer' && (!isMapped || met.said.includes(word));

  const leaks = metShut.filter(({ met }) => answered(met));
  const dead = metOpen.filter(({ met }) => !answered(met));
  const against = [
    ...leaks.map(
      ({ one }) => `port ${one.port} (${one.rule === 'no rule' ? 'no rule' : `rule ${one.rule}, taken away`}) answers`,
    ),
    ...dead.map(
      ({ one, met }) =>
        `port ${one.port} (rule ${one.rule}) does not answer (${howOf(met)}), though something listens there`,
    ),
  ];
  if (against.length > 0) {
    const evidence = `from outside, ${against.join('; ')}`;
    return { against: new FirewallError(leaks.length > 0 ? 'leaks' : 'shut', evidence), evidence: [] };
  }
  for (const { listener, port } of shut) {
    if (await listener.isAlive(until)) continue;
    const gone = `port ${port} does not answer from outside, and its listener inside was gone when it was asked again`;
    return { against: new FirewallError('no-witness', gone), evidence: [] };
  }
  return {
    evidence: [
      ...metOpen.map(({ one }) => `port ${one.port} (rule ${one.rule}) answers from outside`),
      ...metShut.map(
        ({ one, met }) =>
          `port ${one.port} (${one.rule === 'no rule' ? 'no rule' : 'taken away'}) answers inside and not from outside (${howOf(met)})`,
      ),
    ],
  };
}

function howOf(met: Met): string {
  return met.met === 'nothing' ? met.how : 'somebody else';
}

function noWitness(ports: readonly PortToProve[]): FirewallError {
  const tried = ports.map(({ port }) => port).join(', ');
  return new FirewallError(
    'no-witness',
    `nothing could be made to listen on the machine (port ${tried}; perl, python3 and nc were tried): that a port does not answer would prove nothing`,
  );
}

/** What the evidence does not cover, said in it. */
function notProved(plan: PortsToProve, witnessed: readonly Witnessed[], isMapped: boolean): string[] {
  const hasNone = ({ port }: PortToProve) => !witnessed.some((one) => one.port === port);
  return [
    ...(isMapped ? ['the address maps ports: rules are not proved open'] : []),
    ...(plan.spare.length === 0 ? ['every port is allowed: none can be proved shut'] : []),
    ...(isMapped ? [] : [...plan.open.filter(hasNone).map(({ rule }) => rule), ...plan.unproved]).map(
      (rule) => `not proved: rule ${rule}`,
    ),
    ...plan.revoked.filter(hasNone).map(({ rule }) => `not proved: rule ${rule} is gone`),
  ];
}
