import type { SshConnection } from '../ssh/connection.js';
import type { Until } from '../ssh/readiness.js';
import type { Listener } from './listener.js';
import { type Answer, lookFromOutside, type Met, type Nothing, seeSsh } from './outside.js';
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

export interface Scene {
  /** Ports on which something answers inside. */
  shut: readonly PortToProve[];
  open: readonly PortToProve[];
  listener: Pick<Listener, 'answering'>;
  connection: Pick<SshConnection, 'dial'>;
  /** Where SSH is dialled. */
  sshPort: number;
  /** Behind mappings that nobody told us, a port of ours may be somebody else's: only our listener's word says which. */
  isBlind: boolean;
  word: string;
  until: Until;
}

export type Verdict = { holds: true; evidence: string[] } | { holds: false; error: FirewallError };

/**
 * One look at every port from outside, and at the shut ones from inside after it. SSH's port is looked at with them: a
 * port is silent only while that one answers.
 * @throws {SshError} when it does not, or nobody could look.
 */
export async function look({
  shut,
  open,
  listener,
  connection,
  sshPort,
  isBlind,
  word,
  until,
}: Scene): Promise<Verdict> {
  const meet = async (one: PortToProve) => ({
    ...one,
    met: await lookFromOutside(connection, one.publicPort ?? one.port, until().signal),
  });
  const [metShut, metOpen] = await Promise.all([
    Promise.all(shut.map(meet)),
    Promise.all(open.map(meet)),
    seeSsh(connection, sshPort, until().signal),
  ]);
  const isOurs = ({ said }: Answer): boolean => !isBlind || said.includes(word);
  const answered = ({ met }: { met: Met }): boolean => met.met === 'an answer' && isOurs(met);
  const isStrange = ({ met }: { met: Met }): boolean => met.met === 'an answer' && !isOurs(met);

  const leaks = metShut.filter(answered);
  const dead = metOpen.filter(isSilent);
  const silent = metShut.filter(isSilent);
  const right = [
    ...metOpen.filter(answered).map((one) => `${inWords(one)} answers from outside`),
    ...silent.map(answersInsideOnly),
  ];
  if (leaks.length + dead.length > 0) {
    const wrong = [...leaks.map((one) => `${inWords(one)} answers from outside`), ...dead.map(answersInsideOnly)];
    const asItShould = right.length > 0 ? `; as it should be: ${right.join('; ')}` : '';
    return no(leaks.length > 0 ? 'leaks' : 'shut', `${wrong.join('; ')}${asItShould}`);
  }
  const alive = await listener.answering(
    silent.map(({ port }) => port),
    until,
  );
  const lost = silent.find(({ port }) => !alive.includes(port));
  if (lost) return no('no-witness', `${inWords(lost)} does not answer from outside, and its listener was gone by then`);
  const strange = [...metShut, ...metOpen].filter(isStrange);
  return {
    holds: true,
    evidence: [...right, ...strange.map((one) => `not proved: ${inWords(one)}: a stranger answers`)],
  };
}

function no(finding: FirewallFinding, evidence: string): Verdict {
  return { holds: false, error: new FirewallError(finding, evidence) };
}

function inWords({ port, publicPort, rule, isRevoked }: PortToProve): string {
  const which = publicPort === undefined ? `port ${port}` : `port ${port}, outside ${publicPort},`;
  if (rule === undefined) return `${which} (no rule)`;
  return isRevoked ? `${which} (rule ${rule}, taken away)` : `${which} (rule ${rule})`;
}

function isSilent<T extends { met: Met }>(one: T): one is T & { met: Nothing } {
  return one.met.met === 'nothing';
}

function answersInsideOnly(one: PortToProve & { met: Nothing }): string {
  return `${inWords(one)} answers inside and not from outside (${one.met.how})`;
}
