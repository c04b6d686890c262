import type { FailureFact } from '../../domain/errors.js';
import type { FirewallRules } from '../../domain/firewall.js';
import type { InstanceEvent } from '../../domain/instance/events.js';
import { offerId } from '../../domain/placement/offer.js';

/** What an event says beside its type, in a few words. An event that a newer version wrote says nothing. */
export function eventDetail(event: InstanceEvent): string {
  switch (event.type) {
    case 'InstanceRequested':
      return `${event.request.name}, ${count(event.request.offers.length, 'offer')}`;
    case 'CreateAttempted':
      return `#${event.attempt} ${offerId(event.offer)}`;
    case 'CapacityAwaited':
      return `until ${event.until}`;
    case 'CreateConfirmedAbsent':
      return event.evidence;
    case 'InstanceCreated':
      return `${event.cloudId}${event.adopted ? ' (adopted)' : ''} at ${offerId(event.offer)}`;
    case 'InstanceRunning':
      return `${event.sshUser}@${event.publicAddress}:${event.sshPort}`;
    case 'FirewallApplied':
      return `${rules(event.rules)}, ${event.strategy}`;
    case 'InstanceReady':
      return `${event.evidence}; ${event.hostKey}`;
    case 'InstanceParked':
      return `${event.reason}; ${failureText(event.failure)}`;
    case 'WaitTimedOut':
      return `for ${event.waitingFor}; ${failureText(event.failure)}`;
    case 'MachineDiscarded':
    case 'CleanupDebtClosed':
    case 'StrayEnded':
      return `${event.cloudId}: ${event.proof.by}, ${event.proof.evidence}`;
    case 'StoppedOutside':
      return event.message ?? event.status;
    case 'StartedOutside':
      return event.message ?? '';
    case 'TerminationBegan':
      return event.cloudId;
    case 'InstanceTerminated':
      return `${event.proof.by}: ${event.proof.evidence}`;
    case 'CleanupDebtOpened':
      return `${event.cloudId}; ${failureText(event.failure)}`;
    case 'StrayFound':
      return `${event.cloudId} at ${offerId(event.offer)}`;
    case 'DebtReleased':
      return `${event.cloudId}: ${event.reason}${by(event)}`;
    case 'TerminateRequested':
      return `${event.reason ?? ''}${by(event)}`.trim();
    case 'StopRequested':
    case 'StartRequested':
    case 'RebootRequested':
    case 'RetryRequested':
      return by(event).trim();
    case 'FirewallChangeRequested':
      return `${rules(event.rules)}${by(event)}`;
    case 'TagsChangeRequested':
      return `${count(Object.keys(event.tags).length, 'tag')}${by(event)}`;
    case 'TypeChangeRequested':
      return `${event.instanceType}${by(event)}`;
    case 'VolumeResizeRequested':
      return `${event.size.value} ${event.size.unit}${by(event)}`;
    case 'ChangeApplied':
      return event.change.kind;
    case 'ChangeRefused':
      return `${event.change.kind}; ${failureText(event.failure)}`;
    default:
      return 'failure' in event ? failureText(event.failure) : '';
  }
}

export function failureText({ kind, message }: Pick<FailureFact, 'kind' | 'message'>): string {
  return `${kind}: ${message}`;
}

function by({ actor }: { actor?: string }): string {
  return actor ? ` by ${actor}` : '';
}

function rules({ ingressRules, egressRules }: FirewallRules): string {
  const egress = egressRules.length > 0 ? `, ${count(egressRules.length, 'egress rule')}` : '';
  return `${count(ingressRules.length, 'ingress rule')}${egress}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
