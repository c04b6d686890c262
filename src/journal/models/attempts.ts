import type { ErrorKind, FailureFact } from '../../domain/errors.js';
import { type IsoTime, toEpochMs } from '../../domain/ids.js';
import type { Attempt, InstanceEvent, InstanceState } from '../../domain/instance/index.js';
import type { Offer } from '../../domain/placement/offer.js';

/**
 * How an attempt to create stands. `refused`: the provider, or the credential, said no. `absent`: its answer was lost
 * and no machine was found, or a person let it go. `failed`: it made a machine that was never handed over.
 */
export type AttemptOutcome = 'open' | 'unknown' | 'created' | 'refused' | 'absent' | 'failed';

export interface AttemptFact {
  attempt: number;
  offer: Offer;
  outcome: AttemptOutcome;
  kind?: ErrorKind;
  /** What was seen, in words; with the provider's code and request id where it gave them. */
  evidence: string;
  cloudId?: string;
  /** Refused on the memory of an earlier refusal: the provider was not asked. */
  remembered: boolean;
  at: IsoTime;
  /** When the outcome was known; for `failed`, when the machine was given up. Absent while `open` or `unknown`. */
  endedAt?: IsoTime;
  /** From `at` to `endedAt`. */
  tookMs?: number;
}

/** The attempts after one more event. Those it does not concern keep their identity: only changed rows are written. */
export function advanceAttempts(
  before: readonly AttemptFact[],
  event: InstanceEvent,
  { attempts }: InstanceState,
): readonly AttemptFact[] {
  const current = attempts.at(-1);
  if (!current) return before;
  const known = before.at(-1);
  if (!known || known.attempt !== current.attempt) return [...before, begin(current)];
  const next = move(known, event, current);
  return next === known ? before : [...before.slice(0, -1), next];
}

function begin({ attempt, offer, at }: Attempt): AttemptFact {
  return { attempt, offer, outcome: 'open', evidence: '', remembered: false, at };
}

function move(known: AttemptFact, event: InstanceEvent, { outcome, failure }: Attempt): AttemptFact {
  const waiting = known.outcome === 'open' || known.outcome === 'unknown';
  switch (outcome) {
    case 'unknown':
      return known.outcome === 'open' ? { ...known, ...because(failure), outcome } : known;
    case 'created': {
      if (!waiting || event.type !== 'InstanceCreated') return known;
      const { kind: _kind, ...open } = known;
      const evidence = `${event.adopted ? 'adopted' : 'created'} as ${event.cloudId}${idOf(event.providerRequestId)}`;
      return { ...open, offer: event.offer, ...ended(known, event.at), outcome, evidence, cloudId: event.cloudId };
    }
    case 'failed': {
      if (known.outcome === 'created') return { ...known, ...because(failure), ...ended(known, event.at), outcome };
      if (!waiting) return known;
      const evidence = evidenceOfAbsence(event);
      if (evidence === undefined) {
        const remembered = failure?.isRemembered === true;
        return { ...known, ...because(failure), ...ended(known, event.at), outcome: 'refused', remembered };
      }
      return { ...known, ...ended(known, event.at), kind: 'UnknownOutcome', evidence, outcome: 'absent' };
    }
    default:
      return known;
  }
}

function evidenceOfAbsence(event: InstanceEvent): string | undefined {
  if (event.type === 'CreateReleased') return `released by ${event.actor ?? 'a caller'}: ${event.reason}`;
  return event.type === 'CreateConfirmedAbsent' ? event.evidence : undefined;
}

function ended({ at }: AttemptFact, endedAt: IsoTime): Pick<AttemptFact, 'endedAt' | 'tookMs'> {
  return { endedAt, tookMs: toEpochMs(endedAt) - toEpochMs(at) };
}

export function because(failure: FailureFact | undefined): Pick<AttemptFact, 'kind' | 'evidence'> {
  if (!failure) return { evidence: '' };
  const { kind, message, providerCode, httpStatus, requestId } = failure;
  const said = [providerCode, httpStatus && `HTTP ${httpStatus}`].filter(Boolean).join(', ');
  return { kind, evidence: `${message}${said && ` (${said})`}${idOf(requestId)}` };
}

function idOf(requestId: string | undefined): string {
  return requestId ? `, request ${requestId}` : '';
}
