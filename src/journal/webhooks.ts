import { randomUUID } from 'node:crypto';
import PQueue from 'p-queue';
import type { Journal, JournalEntry } from './journal.js';
import { DEFAULT_RETRIES, deliver, retryGap, type WebhookRetries } from './webhook-delivery.js';
import { checkEndpoints, type WebhookEndpoint } from './webhook-endpoint.js';
import type { Retry, Settlement } from './webhook-store.js';

/*
 * Tells endpoints what happened, by position.
 *
 * At least once: a delivery is settled after it was received, so whoever is killed in between leaves it to be done
 * again; receivers know it by `webhook-id`. In order per instance: an event waits for the earlier ones of its
 * instance, while other instances go on. An event that was given up (a dead letter) no longer holds its instance up.
 *
 * One process at a time delivers to an endpoint: it holds a lease that it renews, and nothing is settled without it. A
 * frozen process whose lease ran out can still finish the requests it has open; that is the "at least".
 */

export interface WebhookSinkOptions {
  endpoints: readonly WebhookEndpoint[];
  /** CloudEvents' `source`. Default `/slipway`. */
  source?: string;
  retries?: Partial<WebhookRetries>;
  /** For one request, in ms. Default 10 s. */
  timeoutMs?: number;
  /** Requests under way at once, per endpoint. Default 8. */
  concurrency?: number;
  /** How often new events, and lost leases, are looked for, in ms. Default 1 s. */
  pollMs?: number;
  /** After a deliverer died, another takes over this much later, in ms. Default 30 s. */
  leaseMs?: number;
  /** Hears of dead letters and of a journal that does not answer. A pino logger fits. */
  log?: { warn(fields: object, message: string): void };
}

export interface WebhookSink {
  /** Stops delivering, gives the leases back; resolves once all is quiet. */
  close(): Promise<void>;
}

/** Delivers until it is closed. @throws {JournalInvalid} naming everything that is wrong with the endpoints. */
export function startWebhooks(journal: Journal, options: WebhookSinkOptions): WebhookSink {
  checkEndpoints(options.endpoints);
  const stop = new AbortController();
  const running = options.endpoints.map((endpoint) => new Deliverer(journal, endpoint, options, stop.signal).run());
  return {
    close: async () => {
      stop.abort();
      await Promise.all(running);
    },
  };
}

/** New events taken up per pass, and deliveries that may wait before no more are taken up. */
const WINDOW = 100;
const MOST_WAITING = 1_000;

/** One event on its way, after `tries` that failed. `fresh`: it has no row yet. */
interface Letter {
  entry: JournalEntry;
  tries: number;
  fresh: boolean;
}

class Deliverer {
  private readonly owner = randomUUID();
  private readonly retries: WebhookRetries;
  private readonly leaseMs: number;
  private readonly pollMs: number;
  private renewAt = 0;

  constructor(
    private readonly journal: Journal,
    private readonly endpoint: WebhookEndpoint,
    private readonly options: WebhookSinkOptions,
    private readonly stop: AbortSignal,
  ) {
    this.retries = { ...DEFAULT_RETRIES, ...options.retries };
    this.leaseMs = options.leaseMs ?? 30_000;
    this.pollMs = options.pollMs ?? 1_000;
  }

  async run(): Promise<void> {
    while (!this.stop.aborted) {
      const busy = await this.pass().catch((error: unknown) => {
        this.options.log?.warn(
          { endpoint: this.endpoint.id, err: error },
          'webhooks wait: the journal does not answer',
        );
        return false;
      });
      if (!busy) await rest(this.pollMs, this.stop);
    }
    await this.journal.webhooks.release(this.endpoint.id, this.owner).catch(() => undefined); // it runs out by itself
  }

  /** @returns whether there may be more to do at once. */
  private async pass(): Promise<boolean> {
    if (!(await this.claim())) return false;
    const { position, retries } = await this.journal.webhooks.pending(this.endpoint.id);
    const room = retries.length < MOST_WAITING;
    const news = room ? await this.journal.readAll({ after: position, limit: WINDOW }) : [];
    const { due, held, superseded } = await this.lanes(retries, news);
    const settlement = await this.whileLeased((signal) => this.deliverAll(due, signal));
    const end = news.at(-1)?.position ?? position;
    const reached = reach(settlement, held, end);
    const whole = { ...reached, delivered: [...reached.delivered, ...superseded] };
    if (whole.delivered.length + whole.waiting.length === 0 && whole.position === position) return false;
    const settled = await this.journal.webhooks.settle(this.endpoint.id, this.owner, whole);
    if (!settled) this.renewAt = 0; // another took over
    return settled;
  }

  /** Takes the lease, or renews it once a third of it has passed. */
  private async claim(): Promise<boolean> {
    if (Date.now() < this.renewAt) return true;
    const { id, from = 'now' } = this.endpoint;
    const renewAt = Date.now() + this.leaseMs / 3;
    const held = await this.journal.webhooks.claim(id, { owner: this.owner, leaseMs: this.leaseMs, from });
    this.renewAt = held ? renewAt : 0;
    return held;
  }

  /** What may be sent now, by instance and in order; and new events that must wait behind an instance's failed one. */
  private async lanes(
    retries: readonly Retry[],
    news: readonly JournalEntry[],
  ): Promise<{ due: Letter[][]; held: Letter[]; superseded: number[] }> {
    const now = Date.now();
    const waiting = new Set<string>();
    const lanes = new Map<string, Letter[]>();
    const ready = retries.filter(({ refId, dueAt }) => {
      if (waiting.has(refId)) return false;
      if (lanes.has(refId)) return true;
      if (dueAt > now) waiting.add(refId);
      else lanes.set(refId, []);
      return dueAt <= now;
    });
    const tries = new Map(ready.map((retry) => [retry.position, retry.tries]));
    const entries = await this.journal.webhooks.entriesAt([...tries.keys()]);
    for (const entry of entries) {
      lanes.get(entry.refId)?.push({ entry, tries: tries.get(entry.position) ?? 0, fresh: false });
    }
    // Superseded after they failed: nobody is to hear of them any more.
    const found = new Set(entries.map(({ position }) => position));
    const superseded = [...tries.keys()].filter((position) => !found.has(position));
    const held: Letter[] = [];
    for (const entry of news) {
      if (this.endpoint.types && !this.endpoint.types.includes(entry.event.type)) continue;
      const letter: Letter = { entry, tries: 0, fresh: true };
      const lane = lanes.get(entry.refId);
      if (waiting.has(entry.refId)) held.push(letter);
      else if (lane) lane.push(letter);
      else lanes.set(entry.refId, [letter]);
    }
    return { due: [...lanes.values()], held, superseded };
  }

  /** Instances beside each other, each one's events after each other. */
  private async deliverAll(lanes: readonly Letter[][], signal: AbortSignal): Promise<Outcome> {
    const outcome: Outcome = { delivered: [], waiting: [], untouched: [] };
    const queue = new PQueue({ concurrency: this.options.concurrency ?? 8 });
    await queue.addAll(lanes.map((lane) => () => this.deliverLane(lane, outcome, signal)));
    return outcome;
  }

  private async deliverLane(lane: readonly Letter[], outcome: Outcome, signal: AbortSignal): Promise<void> {
    const { source, timeoutMs = 10_000 } = this.options;
    for (const [index, letter] of lane.entries()) {
      const options = { timeoutMs, signal, ...(source !== undefined && { source }) };
      const answer = signal.aborted
        ? undefined
        : await deliver(this.endpoint, letter.entry, options).catch(() => undefined);
      if (!answer) {
        outcome.untouched.push(...lane.slice(index));
        return;
      }
      if (answer.ok) {
        outcome.delivered.push(letter);
        continue;
      }
      const tries = letter.tries + 1;
      const dead = tries >= this.retries.tries;
      const dueAt = dead ? 0 : Date.now() + retryGap(tries, this.retries, answer.retryAfterMs);
      outcome.waiting.push({ letter, tries, dueAt, status: dead ? 'dead' : 'retrying', lastError: answer.error });
      if (dead) this.warnDead(letter, answer.error);
      else {
        for (const behind of lane.slice(index + 1)) outcome.waiting.push(waitBehind(behind));
        return;
      }
    }
  }

  private warnDead({ entry }: Letter, error: string): void {
    const fields = { endpoint: this.endpoint.id, refId: entry.refId, position: entry.position, error };
    this.options.log?.warn(fields, 'webhook given up: it is a dead letter now');
  }

  /** Renews the lease as long as the work lasts; the work is told when the lease is lost, or we are to stop. */
  private async whileLeased<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const lost = new AbortController();
    const renew = () =>
      this.claim().then(
        (held) => held || lost.abort(),
        () => lost.abort(),
      );
    const timer = setInterval(renew, this.leaseMs / 4);
    try {
      return await work(AbortSignal.any([lost.signal, this.stop]));
    } finally {
      clearInterval(timer);
    }
  }
}

interface Waiting {
  letter: Letter;
  tries: number;
  dueAt: number;
  status: 'retrying' | 'dead';
  lastError: string;
}

interface Outcome {
  delivered: Letter[];
  waiting: Waiting[];
  /** Not tried, or cut off: they stay as they are. */
  untouched: Letter[];
}

function waitBehind(letter: Letter): Waiting {
  return { letter, tries: letter.tries, dueAt: 0, status: 'retrying', lastError: '' };
}

/**
 * What may be recorded: the cursor goes up to the first new event that was not tried, and new events beyond it are left
 * to the next pass, received or not.
 */
function reach({ delivered, waiting, untouched }: Outcome, held: readonly Letter[], end: number): Settlement {
  const missed = untouched.filter(({ fresh }) => fresh).map(({ entry }) => entry.position);
  const position = Math.min(end, ...missed.map((one) => one - 1));
  const within = ({ fresh, entry }: Letter) => !fresh || entry.position <= position;
  const rows = [...waiting, ...held.map(waitBehind)].filter(({ letter }) => within(letter));
  return {
    position,
    delivered: delivered.filter(({ fresh }) => !fresh).map(({ entry }) => entry.position),
    waiting: rows.map(({ letter, ...row }) => ({ ...row, position: letter.entry.position, refId: letter.entry.refId })),
  };
}

/** Until the time has passed or the signal aborts. */
async function rest(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(wake, ms);
    function wake(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
      resolve();
    }
    signal.addEventListener('abort', wake);
  });
}
