import { ProviderError } from '../../domain/errors.js';
import {
  type FirewallRules,
  HOST_LOOK,
  type HostChangeScript,
  RulesRefusedError,
  renderHostChange,
} from '../../domain/firewall.js';
import type { CommandResult, SshConnection } from '../ssh/connection.js';
import type { Until } from '../ssh/readiness.js';
import type { SshTarget } from '../ssh/target.js';
import { lookAround } from './surroundings.js';
import { FirewallError } from './verdict.js';

/** One command of ufw takes half a second, on a slow machine more; in ms. */
const STEP_MS = 5_000;
/** Waiting for another change that is at work, and for the packet filter's own lock; in ms. */
const START_MS = 150_000;
/** A thousand rules of ufw's. */
const LOOK_BYTES = 1 << 20;

/**
 * Gives a machine's own firewall new rules, and no others. Safe to repeat, also after a connection that was lost in the
 * middle: the machine goes on by itself, and the next one waits for it.
 * @returns the evidence, in words. @throws {FirewallError} `not-applied`, saying what was done and what was not.
 *   {SshError} {ProviderError} InvalidRequest for rules that a machine's firewall cannot have.
 */
export async function changeHostFirewall(
  connection: SshConnection,
  { user }: Pick<SshTarget, 'user'>,
  rules: FirewallRules,
  until: Until,
): Promise<string[]> {
  const shell = user === 'root' ? 'sh -s' : 'sudo -n sh -s';
  const { port } = await lookAround(connection, until);
  const look = await connection.run(shell, { ...until(START_MS), input: HOST_LOOK, keptBytes: LOOK_BYTES });
  if (look.exitCode !== 0) {
    throw new FirewallError(
      'not-applied',
      `we are in, and ufw’s rules cannot be read: ${howItEnded(look)}. Nothing was changed.`,
    );
  }
  const { text, steps } = render(rules, look.stdout, port);
  const bounds = until(START_MS + steps.length * STEP_MS);
  const change = await connection.run(shell, { ...bounds, input: text, keptBytes: LOOK_BYTES });
  if (change.exitCode === 0)
    return [`the firewall on the machine was changed: ${steps.filter(isRule).join('; ') || 'it had the rules'}`];
  const done = [...change.stdout.matchAll(/^done \d+$/gm)].length;
  throw new FirewallError(
    'not-applied',
    `we are in, and the change of the firewall ended: ${howItEnded(change)}. ${progress(steps, done)}`,
  );
}

function howItEnded({ exitCode, killedBy }: CommandResult): string {
  return exitCode === undefined ? `by ${killedBy}` : `exit ${exitCode}`;
}

function render(rules: FirewallRules, present: string, sshPort: number | undefined): HostChangeScript {
  try {
    return renderHostChange(rules, present, sshPort);
  } catch (error) {
    if (!(error instanceof RulesRefusedError)) throw error;
    throw new ProviderError({ kind: 'InvalidRequest', message: error.message, operation: 'setFirewallRules' });
  }
}

/** In the words of `adapters/rule-changes.ts`: a firewall that was changed in part is neither the old one nor the new. */
function progress(steps: readonly string[], done: number): string {
  const made = steps.slice(0, done).filter(isRule);
  return `${made.length > 0 ? `Done: ${made.join('; ')}.` : 'No rule was changed.'} Not done: ${steps.slice(done).join('; ')}.`;
}

function isRule(step: string): boolean {
  return /^(?:open|close) /.test(step);
}
