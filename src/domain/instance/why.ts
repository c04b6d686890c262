import { formatMs } from '../duration.js';
import { ERRORS, type ErrorKind, type FailureFact } from '../errors.js';
import { type IsoTime, toEpochMs } from '../ids.js';
import { fromMicros, type Money, toMicros } from '../money.js';
import type { InstanceEvent } from './events.js';
import type { Phase } from './phase.js';
import { type Attempt, type Debt, unknownCreate } from './state.js';
import type { InstanceView } from './view.js';

/**
 * Why an instance is where it is: one paragraph for a person who was woken by it. Where it stands and since when, how
 * it got there, the last error in plain words with the provider's own, what it costs, and what to do.
 *
 * @param events as many as are at hand, oldest first; none is fine.
 * @param now what "for 2h 3m" counts to; by default the newest event, so that the same input gives the same text.
 */
export function why(view: InstanceView, events: readonly InstanceEvent[], now?: IsoTime): string {
  const at = now ?? events.at(-1)?.at ?? view.since;
  return [
    standing(view, at),
    outside(events),
    order(view, events),
    placement(view, events),
    doubt(view, at),
    trouble(view),
    debts(view.cleanupDebt, at),
    advice(view, at),
  ]
    .filter((sentence) => sentence !== '')
    .join(' ');
}

function standing(view: InstanceView, at: IsoTime): string {
  const { name, refId, phase, since } = view;
  const waited =
    toEpochMs(at) - toEpochMs(since) < 1_000
      ? `since ${clock(since)}`
      : `for ${span(since, at)} (since ${clock(since)})`;
  const where = view.cloudId ? `${view.cloudId} at ${placeText(view)}` : undefined;
  const until = deadlineText(view, at);
  const subject = `${name} (${refId})`;
  switch (phase) {
    case 'ready':
      return `${subject} is ready ${waited}: ${where ?? 'its machine'} answers SSH, and nothing is being waited for.`;
    case 'stopped':
      return `${subject} is stopped ${waited}; ${where ?? 'its machine'} is kept${until}.`;
    case 'parked':
      return where
        ? `${subject} failed and is parked ${waited}; ${where} is kept for a person to look at${billing(view.pricePerHour)}.`
        : `${subject} failed and is parked ${waited}; no machine of it is in use.`;
    case 'terminated':
      return `${subject} has been over since ${clock(since)}: ${view.terminated?.evidence ?? 'its machine is proved gone'}.`;
    default: {
      const usual = view.normally ? `, which normally takes ${view.normally}` : '';
      const owed = view.cleanupDebt.some(({ cloudId }) => cloudId === view.cloudId);
      const machine = where ? ` Its machine is ${where}${owed ? '' : billing(view.pricePerHour)}.` : '';
      return `${subject} is ${phase} ${waited}: it waits for ${view.waitingFor}${usual}${until}.${machine}`;
    }
  }
}

function deadlineText({ phase, deadline }: InstanceView, at: IsoTime): string {
  if (!deadline) return '';
  const over = deadline < at;
  const when = clock(deadline);
  switch (phase) {
    case 'placing':
      return over ? `, and was to look again at ${when}` : `, and looks again, or gives up, at ${when}`;
    case 'stopped':
      return over ? `, and a start was due at ${when}` : `, and is started again at ${when}`;
    case 'discarding':
    case 'terminating':
      return over ? `, and should have been gone by ${when}` : `, and is cleanup debt if it is not gone by ${when}`;
    default:
      return over ? `, and should have given up at ${when}` : `, and gives up at ${when}`;
  }
}

function placeText({ provider, offer }: InstanceView): string {
  return [provider, offer?.location, offer?.instanceType].filter(Boolean).join(' ');
}

/** What happened to it that none of us ordered: the likeliest cause, and the first to be said. */
function outside(events: readonly InstanceEvent[]): string {
  const last = events.findLast(({ type }) => MOVES.has(type));
  if (last?.type === 'StoppedOutside')
    return `The provider showed it ${last.status} at ${clock(last.at)}; nobody here had asked for that.`;
  if (last?.type === 'StartedOutside') return `It was started outside of Slipway, seen at ${clock(last.at)}.`;
  return '';
}

const MOVES: ReadonlySet<InstanceEvent['type']> = new Set<InstanceEvent['type']>([
  'StoppedOutside',
  'StartedOutside',
  'StopRequested',
  'StartRequested',
  'TerminateRequested',
  'InstanceReady',
]);

/** Who wanted it so, where that is the reason. */
function order({ phase, lastCommand }: InstanceView, events: readonly InstanceEvent[]): string {
  if (!lastCommand || !ORDERED.has(phase) || outside(events) !== '') return '';
  const { type, actor, at } = lastCommand;
  const event = events.findLast((one) => one.type === type);
  const reason = event && 'reason' in event && event.reason ? `, saying “${event.reason}”` : '';
  return `${actor ?? 'A caller'} asked for it at ${clock(at)} (${type})${reason}.`;
}

const ORDERED: ReadonlySet<Phase> = new Set<Phase>([
  'stopping',
  'stopped',
  'starting',
  'rebooting',
  'terminating',
  'terminated',
]);

/** The story of the attempts: while none has worked, each offer's last answer; later only that there was one. */
function placement({ attempts, phase }: InstanceView, events: readonly InstanceEvent[]): string {
  const failed = attempts.filter(({ outcome }) => outcome === 'failed');
  if (failed.length === 0 || SETTLED.has(phase)) return '';
  const [first] = attempts;
  const last = failed.at(-1);
  const took = first && last?.failedAt ? ` in ${span(first.at, last.failedAt)}` : '';
  const byPlace = new Map(failed.map((attempt) => [placeOf(attempt), attempt]));
  const shown = [...byPlace.values()].slice(-PLACES_SHOWN).map((one) => `${placeOf(one)} ${answered(one)}`);
  const more = byPlace.size - shown.length;
  const others = more > 0 ? `, and ${count(more, 'other offer')} before` : '';
  const waits =
    phase === 'placing' && events.at(-1)?.type === 'CapacityAwaited' ? ' None is worth trying just now.' : '';
  return `${count(failed.length, 'attempt')} failed${took}: ${shown.join('; ')}${others}.${waits}`;
}

const SETTLED: ReadonlySet<Phase> = new Set<Phase>(['ready', 'stopping', 'stopped', 'starting', 'rebooting']);
const PLACES_SHOWN = 4;

function placeOf({ offer }: Attempt): string {
  return `${offer.instanceType} in ${offer.subLocation ?? offer.location}`;
}

function kindOf({ failure }: Attempt): ErrorKind {
  return failure?.kind ?? 'Internal';
}

/** What an offer did, after its name. */
function answered(attempt: Attempt): string {
  return attempt.released ? 'lost the answer, and a person let it go' : SHORT[kindOf(attempt)];
}

const SHORT: Record<ErrorKind, string> = {
  InsufficientResources: 'had no stock',
  OutOfQuota: 'is over the account’s quota or funds',
  RateLimited: 'asked us to slow down',
  ServiceUnavailable: 'did not answer',
  Internal: 'failed inside',
  UnknownOutcome: 'lost the answer, and made no machine',
  Unauthenticated: 'did not accept the credential',
  PermissionDenied: 'does not allow it to the credential',
  ImageNotFound: 'does not know the image',
  InvalidRequest: 'refused the request as it stands',
  DuplicateFirewallRule: 'had the firewall rule already',
  InstanceNotFound: 'did not know the machine',
  ResourceNotFound: 'missed something that belongs to the machine',
  NotSupported: 'cannot do this',
  NotYet: 'refused for now',
  WaitTimeout: 'made a machine that did not get ready in time',
  InstanceFailed: 'made a machine that failed',
  SshUnreachable: 'made a machine that never answered SSH',
  FirewallUnverified: 'made a machine whose firewall could not be shown to hold',
};

function doubt(view: InstanceView, at: IsoTime): string {
  const unknown = unknownCreate(view);
  if (!unknown) return '';
  const { attempt, unknownSince: since = unknown.at, failure } = unknown;
  const lost = `Whether attempt ${attempt} made a machine, and one that bills, has been unknown for ${span(since, at)}`;
  return `${lost}: it is looked for until the provider tells.${failure ? ` ${said(failure)}` : ''}`;
}

function trouble({ failure, phase }: InstanceView): string {
  if (!failure) return '';
  const meaning = ERRORS[failure.kind]?.meaning ?? '';
  const when = phase === 'terminated' ? 'It ended with' : 'The last error is';
  return `${when} ${failure.kind}${meaning && ` — ${lower(meaning)}`} ${said(failure)}`.trim();
}

function said({ message, providerCode, httpStatus, requestId }: FailureFact): string {
  const facts = [
    providerCode && `code ${providerCode}`,
    httpStatus && `HTTP ${httpStatus}`,
    requestId && `request id ${requestId} for the provider’s support desk`,
  ].filter(Boolean);
  return `It says: “${sentence(message)}”${facts.length > 0 ? ` (${facts.join(', ')})` : ''}.`;
}

function debts(debt: readonly Debt[], at: IsoTime): string {
  if (debt.length === 0) return '';
  const list = debt.map(({ cloudId, cause, since }) => {
    const how = cause === 'stray' ? 'turned up late' : 'could not be deleted';
    return `${cloudId} (${how}, for ${span(since, at)})`;
  });
  const them = debt.length === 1 ? 'It is' : 'They are';
  return `Not proved gone, and maybe billing${perHour(debt)}: ${list.join(', ')}. ${them} tried again for ever.`;
}

function perHour(debt: readonly Debt[]): string {
  const prices = debt.flatMap(({ pricePerHour, offer }) => pricePerHour ?? offer.pricePerHour ?? []);
  const currency = prices[0]?.currency;
  if (currency === undefined || prices.some((price) => price.currency !== currency)) return '';
  const sum = fromMicros(
    prices.reduce((total, price) => total + toMicros(price), 0),
    currency,
  );
  return ` at ${prices.length < debt.length ? 'over ' : ''}${sum.amount} ${currency} an hour`;
}

function billing(price: Money | undefined): string {
  return price ? ` and bills ${price.amount} ${price.currency} an hour` : '';
}

function advice(view: InstanceView, at: IsoTime): string {
  const { phase, failure, refId, cleanupDebt } = view;
  const unknown = unknownCreate(view);
  const which = cleanupDebt.length > 1 || unknown ? ' --cloud-id …' : '';
  const letGo = `slipway release ${refId}${which} --reason …`;
  const release = cleanupDebt.length > 0 ? ` If you have made sure yourself that it is gone: ${letGo}.` : '';
  if (unknown && isLongAgo(unknown, at)) {
    const { attempt, offer } = unknown;
    const look = `see that the credential ${offer.cloudCredRefId} may list its account, then slipway retry ${refId}`;
    const letGo = `slipway release ${refId} --attempt ${attempt} --reason …`;
    return `What to do: ${look}; or, if you have made sure yourself that nothing was made or is left, ${letGo}.${release}`;
  }
  switch (phase) {
    case 'parked':
      return `What to do: ${REMEDY[failure?.kind ?? 'Internal']}, then slipway retry ${refId}; or give it up with slipway terminate ${refId}.${release}`;
    case 'ready':
    case 'terminated':
      return `Nothing needs doing${cleanupDebt.length > 0 ? ' but for that' : ''}.${release}`;
    case 'stopped':
      return `Start it with slipway start ${refId}.${release}`;
    default:
      return `Nothing needs doing yet: Slipway goes on by itself.${release}`;
  }
}

/** Beyond every provider's listing lag, and outages that pass: the look fails. */
const LONG_DOUBT_MS = 10 * 60_000;

function isLongAgo({ at: asked, unknownSince = asked }: Attempt, at: IsoTime): boolean {
  return toEpochMs(at) - toEpochMs(unknownSince) >= LONG_DOUBT_MS;
}

/** What a person can do about it, before a retry makes sense. */
const REMEDY: Record<ErrorKind, string> = {
  InsufficientResources: 'wait for stock, or request it anew with more offers',
  OutOfQuota: 'raise the quota or top up the account at the provider',
  RateLimited: 'see what else uses the account so heavily',
  ServiceUnavailable: 'check the provider’s status page',
  Internal: 'check the provider’s status page',
  UnknownOutcome: 'check the provider’s status page',
  Unauthenticated: 'renew the credential that the worker reads',
  PermissionDenied: 'give the credential the missing right',
  ImageNotFound: 'request it anew with an image that exists for the type',
  InvalidRequest: 'request it anew without what the provider refuses',
  DuplicateFirewallRule: 'look at the machine’s firewall',
  InstanceNotFound: 'look for the machine in the provider’s console',
  ResourceNotFound: 'look for what is missing in the provider’s console',
  NotSupported: 'request it anew at an offer that can do this',
  NotYet: 'wait until the provider allows it',
  WaitTimeout: 'see in the provider’s console what the machine waits for',
  InstanceFailed: 'see in the provider’s console what became of the machine',
  SshUnreachable: 'check the image, the user data and the key the worker uses',
  FirewallUnverified: 'check what the provider’s firewall does to the machine',
};

function span(from: IsoTime, to: IsoTime): string {
  return formatMs(Math.max(0, toEpochMs(to) - toEpochMs(from)));
}

/** `2026-03-01 12:04 UTC` */
function clock(at: IsoTime): string {
  return `${at.slice(0, 10)} ${at.slice(11, 16)} UTC`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function lower(text: string): string {
  return `${text.slice(0, 1).toLowerCase()}${text.slice(1)}`;
}

function sentence(text: string): string {
  return text.replace(/\.\s*$/, '');
}
