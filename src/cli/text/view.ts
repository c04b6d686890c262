import { ERRORS } from '../../domain/errors.js';
import { failureText } from '../../domain/instance/timeline.js';
import type { InstanceView } from '../../domain/instance/view.js';
import { offerId } from '../../domain/placement/offer.js';
import { type Terminal, wrap } from '../terminal.js';
import { between } from './time.js';

/** Where an instance stands, and why, for a person: one fact a line, an explanation broken between words. */
export function viewLines(view: InstanceView, { width, colours }: Terminal): string[] {
  const facts = factsOf(view);
  const label = Math.max(...facts.map(([name]) => name.length)) + 2;
  const lines = facts.flatMap(([name, text]) =>
    wrap(text, width && width - label).map(
      (line, index) => `${colours.dim((index === 0 ? name : '').padEnd(label))}${line}`,
    ),
  );
  return [`${colours.bold(view.name)} (${view.refId})`, ...lines];
}

type Fact = [name: string, text: string];

function factsOf(view: InstanceView): Fact[] {
  const optional = (name: string, text: string | undefined | false): Fact[] => (text ? [[name, text]] : []);
  const price = view.pricePerHour && `, ${view.pricePerHour.amount} ${view.pricePerHour.currency}/h`;
  return [
    ['phase', `${view.phase} for ${between(view.since)} (${view.lifecycleStatus})`],
    ...optional('waits for', view.phase !== 'terminated' && waitText(view)),
    ...optional('offer', view.offer && `${offerId(view.offer)}${price ?? ''}`),
    ...optional('machine', view.cloudId && `${view.cloudId} at ${view.provider}${view.adopted ? ', adopted' : ''}`),
    ...optional('ssh', view.hostKey && sshCommand(view)),
    ...optional('host key', view.hostKey),
    ...optional('firewall', firewallText(view)),
    ...optional('tags', tagText(view.tags)),
    ...attemptFacts(view),
    ...optional('pending', view.pendingChanges.map(({ kind }) => kind).join(', ')),
    ...optional('failure', view.failure && failureText(view.failure)),
    ...optional('meaning', view.failure && ERRORS[view.failure.kind]?.meaning),
    ...view.cleanupDebt.map(
      ({ cloudId, cause, since }): Fact => ['debt', `${cloudId}, ${cause} for ${between(since)}`],
    ),
    ...optional('ended', view.terminated && `${view.terminated.by}: ${view.terminated.evidence}`),
    ...optional('last order', view.lastCommand && orderText(view.lastCommand)),
    ['events', `${view.seq}`],
  ];
}

/** What to type to get in. */
export function sshCommand({ sshUser, address, sshPort }: InstanceView): string | undefined {
  return address && `ssh ${sshPort === 22 ? '' : `-p ${sshPort} `}${sshUser}@${address}`;
}

export function waitText({ waitingFor, normally, deadline }: InstanceView): string {
  const left = deadline && Date.parse(deadline) - Date.now();
  const until = left && left > 0 ? `; until ${deadline.slice(11, 19)} UTC` : '';
  return `${waitingFor}${normally ? `; normally ${normally}` : ''}${until}`;
}

function firewallText({ firewallRules, firewallApplied }: InstanceView): string {
  const ports = firewallRules.ingressRules.map(({ fromPort, toPort, ipRanges }) => {
    const range = fromPort === toPort ? `${fromPort}` : `${fromPort}-${toPort}`;
    return ipRanges.length > 0 ? `${range} from ${ipRanges.join(', ')}` : range;
  });
  if (ports.length === 0) return '';
  return `in: ${ports.join('; ')}${firewallApplied ? '' : ' (not yet applied)'}`;
}

function tagText(tags: Record<string, string>): string {
  return Object.entries(tags)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}

/** The story of placement, once it is one. */
function attemptFacts({ attempts }: InstanceView): Fact[] {
  if (!attempts.some(({ failure }) => failure)) return [];
  return attempts.map(({ attempt, offer, failure, outcome }, index) => [
    index === 0 ? 'attempts' : '',
    `#${attempt} ${offerId(offer)}: ${failure?.kind ?? outcome}`,
  ]);
}

function orderText({ type, actor, at }: NonNullable<InstanceView['lastCommand']>): string {
  return `${type}${actor ? ` by ${actor}` : ''}, ${between(at)} ago`;
}
