import type { SimClock } from './clock.js';
import { CloudError } from './errors.js';
import type { Operation } from './fault-kinds.js';
import type { CallSubject, Faults, StruckFaults } from './faults.js';
import type { Ledger } from './ledger.js';
import { type RateLimit, rateLimited } from './rate-limit.js';
import { outOfQuota, outOfStock } from './stock.js';
import type { Account } from './types.js';

/*
 * The one door every call of every dialect comes through: it is recorded, its caller is known, its rate is checked, its
 * fate is drawn, and only then is the work done (or not, or later, or in vain). Dialects put the outcome on their wire.
 */

/** A call as a dialect read it off the wire. */
export interface IncomingCall {
  requestId: string;
  dialect: string;
  operation: Operation;
  /** With ids left out: `POST /instances`. */
  endpoint: string;
  apiKey: string | undefined;
  /** What can be told of the request before it is validated. */
  about?: Partial<Omit<CallSubject, 'account'>> & { machineId?: string };
}

/** What the work may know. */
export interface CallContext {
  requestId: string;
  account: Account;
  faults: StruckFaults;
}

/** What a dialect must put on the wire. */
export type Outcome<T> =
  | { type: 'done'; value: T }
  | { type: 'refused'; error: CloudError }
  /** Destroy the socket: the caller gets no answer. */
  | { type: 'no-answer' }
  /** Not a word of the dialect: what some proxy in between says. */
  | { type: 'garbage'; status: number; contentType: string; body: string };

export interface GateParts {
  clock: SimClock;
  ledger: Ledger;
  faults: Faults;
  /** What this dialect's callers may do. */
  rateLimitOf: (dialect: string) => RateLimit | undefined;
  accounts: () => Account[];
  /** The machine a call is about, if there is one. */
  subjectOf: (machineId: string) => Omit<CallSubject, 'account'> | undefined;
}

const PROXY_PAGE =
  '<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>';

export class Gate {
  constructor(private readonly parts: GateParts) {}

  /** Never rejects: a bug in `work` becomes `internal`, and a warning on stderr. */
  async perform<T>(call: IncomingCall, work: (context: CallContext) => T | Promise<T>): Promise<Outcome<T>> {
    const { ledger, clock, faults, rateLimitOf } = this.parts;
    const { requestId, dialect, operation, endpoint } = call;
    const entry = ledger.callOpened({ requestId, dialect, operation, endpoint, at: clock.now() });
    try {
      const account = this.#authenticate(call.apiKey);
      entry.account = account.name;
      rateLimitOf(dialect)?.check(account.name, operation === 'create');
      const subject = this.#subject(call, account);
      entry.key = subject.key;
      const struck = faults.strike(operation, subject);
      const names = [
        struck.answer?.kind,
        struck.list?.kind,
        struck.terminate?.kind,
        ...struck.behaviours.map((b) => b.kind),
      ];
      if (names.some(Boolean)) entry.fault = names.filter(Boolean).join(' ');
      const outcome = await this.#answer({ requestId, account, faults: struck }, subject, work);
      if (outcome.type === 'no-answer') ledger.callAnswered(requestId, 0);
      return outcome;
    } catch (error) {
      return { type: 'refused', error: toCloudError(error) };
    }
  }

  #authenticate(apiKey: string | undefined): Account {
    const account = this.parts.accounts().find((known) => known.apiKey === apiKey);
    if (!account) throw new CloudError('auth.invalid_key', 'the API key is missing or not known');
    if (account.suspended) throw new CloudError('auth.forbidden', `the account ${account.name} is suspended`);
    return account;
  }

  #subject({ about = {} }: IncomingCall, account: Account): CallSubject {
    const { machineId, ...told } = about;
    const machine = machineId === undefined ? undefined : this.parts.subjectOf(machineId);
    const key = machine?.key ?? told.key ?? machineId ?? `account:${account.name}`;
    return { ...told, tags: told.tags ?? {}, ...machine, key, account: account.name };
  }

  async #answer<T>(
    context: CallContext,
    subject: CallSubject,
    work: (context: CallContext) => T | Promise<T>,
  ): Promise<Outcome<T>> {
    const done = async (): Promise<Outcome<T>> => ({ type: 'done', value: await work(context) });
    const { answer, list } = context.faults;
    if (list?.kind === 'list-fails-on-page-2') throw new CloudError('internal', 'an internal error occurred');
    switch (answer?.kind) {
      case undefined:
        return done();
      case 'drop-before-work':
        return { type: 'no-answer' };
      case 'drop-answer-after-work':
        await done().catch(() => undefined);
        return { type: 'no-answer' };
      case 'late-answer': {
        // A refusal is late as well.
        const outcome = await done().catch((error): Outcome<T> => ({ type: 'refused', error: toCloudError(error) }));
        await this.parts.clock.wait(answer.delayMs);
        return outcome;
      }
      case 'late-work':
        this.parts.clock.after(answer.delayMs, () => done().then(noop, noop));
        return { type: 'no-answer' };
      case 'error-500-after-work':
        await done().catch(() => undefined);
        throw new CloudError('internal', 'an internal error occurred');
      case 'error-500':
        throw new CloudError('internal', 'an internal error occurred');
      case 'error-503':
        throw new CloudError('unavailable', 'the service is temporarily unavailable');
      case 'html-instead-of-json':
        return { type: 'garbage', status: 502, contentType: 'text/html', body: PROXY_PAGE };
      case 'rate-limited':
        throw rateLimited(answer.retryAfterSeconds);
      case 'out-of-stock':
        throw outOfStock(subject.location ?? '?', subject.instanceType ?? '?');
      case 'quota':
        throw outOfQuota(subject.location ?? '*');
      case 'terminate-refused':
        throw new CloudError('instance.busy', 'the machine cannot be terminated yet; try again later');
    }
  }
}

function toCloudError(error: unknown): CloudError {
  if (error instanceof CloudError) return error;
  process.emitWarning(`simcloud has a bug: ${error instanceof Error ? error.stack : String(error)}`);
  return new CloudError('internal', 'an internal error occurred');
}

function noop(): void {}
