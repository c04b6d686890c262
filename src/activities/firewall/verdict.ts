import type { SshConnection } from '../ssh/connection.js';
import type { Until } from '../ssh/readiness.js';
import type { Listener } from './listener.js';
import { lookFromOutside, type Met } from './outside.js';
import type { PortToProve } from './ports.js';

/**
 * - `leaks`: a port that no rule allows answers
 * - `shut`: a port that a rule allows does not
 * - `no-witness`: nothing could be made to listen on the machine, so a port that does not answer proves nothing
 * - `not-applied`: the machine did not take all of the new rules; the evidence says which it did
 */
export type FirewallFinding = 'leaks' | 'shut' | 'no-witness' | 'not-applied';

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

/** A port on which something answers inside. */
export interface Witnessed extends PortToProve {
  listener: Listener;
}

export interface Scene {
  shut: readonly Witnessed[];
  open: readonly Witnessed[];
  connection: Pick<SshConnection, 'dial'>;
  /** The address is not the machine's alone: only our own listener's word counts. */
  isMapped: boolean;
  word: string;
  until: Until;
}

export type Verdict = { holds: true; evidence: string[] } | { holds: false; error: FirewallError };

/** One look at every port from outside, and at the shut ones from inside after it. */
export async function look({ shut, open, connection, isMapped, word, until }: Scene): Promise<Verdict> {
  const meet = async (one: Witnessed) => ({
    ...one,
    met: await lookFromOutside(connection, one.publicPort ?? one.port, until().signal),
  });
  const [metShut, metOpen] = await Promise.all([Promise.all(shut.map(meet)), Promise.all(open.map(meet))]);
  const answered = ({ met }: { met: Met }) => met.met === 'an answer' && (!isMapped || met.said.includes(word));

  const leaks = metShut.filter(answered);
  const dead = metOpen.filter((one) => !answered(one));
  const right = [
    ...metOpen.filter(answered).map((one) => `${inWords(one)} answers from outside`),
    ...metShut
      .filter((one) => !answered(one))
      .map((one) => `${inWords(one)} answers inside and not from outside (${howOf(one.met)})`),
  ];
  if (leaks.length + dead.length > 0) {
    const wrong = [
      ...leaks.map((one) => `${inWords(one)} answers from outside`),
      ...dead.map((one) => `${inWords(one)} answers inside and not from outside (${howOf(one.met)})`),
    ];
    const asItShould = right.length > 0 ? `; as it should be: ${right.join('; ')}` : '';
    return no(leaks.length > 0 ? 'leaks' : 'shut', `${wrong.join('; ')}${asItShould}`);
  }
  for (const one of shut) {
    if (await one.listener.isAlive(until)) continue;
    return no('no-witness', `${inWords(one)} does not answer from outside, and its listener was gone by then`);
  }
  return { holds: true, evidence: right };
}

function no(finding: FirewallFinding, evidence: string): Verdict {
  return { holds: false, error: new FirewallError(finding, evidence) };
}

function inWords({ port, publicPort, rule, isRevoked }: PortToProve): string {
  const which = publicPort === undefined ? `port ${port}` : `port ${port}, outside ${publicPort},`;
  if (rule === undefined) return `${which} (no rule)`;
  return isRevoked ? `${which} (rule ${rule}, taken away)` : `${which} (rule ${rule})`;
}

function howOf(met: Met): string {
  return met.met === 'nothing' ? met.how : 'somebody else does';
}
