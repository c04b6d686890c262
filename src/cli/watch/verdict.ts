import { ERRORS } from '../../domain/errors.js';
import type { Desired, InstanceView, Phase } from '../../domain/instance/index.js';
import { failureText } from '../../domain/instance/timeline.js';

/** Where a command leads when all goes well. */
export type Wanted = 'ready' | 'stopped' | 'terminated';

const RESTS_AT: Record<Desired, Phase> = { running: 'ready', stopped: 'stopped', terminated: 'terminated' };

/** Is the wait over? Read from the view alone: what the instance itself wants says whether it is still on its way. */
export function verdict(view: InstanceView, wanted: Wanted): 'arrived' | 'stuck' | 'on-the-way' {
  const { phase, desired, lastCommand, since, failure } = view;
  const rebooted = lastCommand?.type === 'RebootRequested' && phase === 'ready';
  if (rebooted && desired === 'running' && since <= lastCommand.at) return 'on-the-way'; // not begun yet
  if (rebooted && failure) return 'stuck'; // refused: it is as it was
  if (phase === wanted) return 'arrived';
  if (phase === 'parked') return desired === 'terminated' ? 'on-the-way' : 'stuck';
  return phase === RESTS_AT[desired] || phase === 'terminated' ? 'stuck' : 'on-the-way';
}

/** Why it is not where it was wanted, what that means, and what a person can do. */
export function stuckText(view: InstanceView, wanted: Wanted): string {
  const { refId, phase, failure, cleanupDebt } = view;
  const why = failure ? `: ${failureText(failure)}` : '.';
  const lines = [
    phase === wanted ? `${refId} is ${phase} as before${why}` : `${refId} is ${phase}, not ${wanted}${why}`,
  ];
  if (failure && ERRORS[failure.kind]) lines.push(`${failure.kind} means: ${ERRORS[failure.kind].meaning}`);
  if (cleanupDebt.length > 0) lines.push(`Not proved gone: ${cleanupDebt.map(({ cloudId }) => cloudId).join(', ')}.`);
  else if (phase === 'parked' && !view.cloudId) lines.push('No machine of it is left, and nothing bills.');
  if (phase === 'parked') lines.push(`Then: slipway retry ${refId}, or slipway terminate ${refId}`);
  return lines.join('\n');
}
