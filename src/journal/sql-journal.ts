import type { IsoTime, RefId } from '../domain/ids.js';
import { fold, type InstanceEvent, type InstanceState } from '../domain/instance/index.js';
import type { JournalError } from './errors.js';
import { type FollowOptions, follow } from './follow.js';
import type { Journal } from './journal.js';
import { LifeCache } from './models/life-cache.js';
import { rebuild, verify } from './models/rebuild.js';
import { type AttemptQuery, findAttempts, findRefusals } from './queries/attempts.js';
import { findBootTimes } from './queries/boot-times.js';
import { countInstances, findInstances, type InstanceFilter, type InstanceQuery } from './queries/instances.js';
import { checkLimit } from './queries/page.js';
import { findUsage, type UsageQuery } from './queries/usage.js';
import { type Append, type Appended, checkAppend, storeBatch } from './store/append.js';
import { AppendQueue, isSupersede, type Work } from './store/append-queue.js';
import type { Database } from './store/database.js';
import {
  entriesAfter,
  entriesOf,
  headPosition,
  type JournalEntry,
  type SupersededEntry,
  supersededOf,
} from './store/entries.js';
import { checkSupersede, type Supersede, type Superseded, storeSupersede } from './store/supersede.js';
import { SqlWebhookStore } from './webhook-store.js';

/** The journal in a SQL database. */
export class SqlJournal implements Journal {
  readonly webhooks: SqlWebhookStore;
  private readonly lives = new LifeCache();
  private readonly queue = new AppendQueue((batch) => this.store(batch));
  private readonly wakers = new Set<() => void>();

  constructor(private readonly database: Database) {
    this.webhooks = new SqlWebhookStore(database);
  }

  get where(): string {
    return this.database.where;
  }

  async append(refId: RefId, events: readonly InstanceEvent[], { runId }: { runId?: string } = {}): Promise<Appended> {
    const append: Append = { refId, events, ...(runId !== undefined && { runId }) };
    checkAppend(append);
    return await this.queue.add(append);
  }

  async supersede(
    refId: RefId,
    events: readonly InstanceEvent[],
    { runId, reason, over }: { runId: string; reason: string; over?: string },
  ): Promise<Superseded> {
    const supersede: Supersede = { refId, events, runId, reason, ...(over !== undefined && { over }) };
    checkSupersede(supersede);
    return await this.queue.add(supersede);
  }

  private async store(batch: readonly Work[]): Promise<(Appended | JournalError)[]> {
    const { results, lives } = await this.database.writeInTurn(async (trx) => {
      const [first] = batch;
      if (!first || !isSupersede(first)) return await storeBatch(trx, batch, this.lives);
      const superseded = await storeSupersede(trx, first, this.lives); // it comes alone
      return { results: [superseded.result], lives: superseded.lives };
    });
    this.lives.keep(lives);
    for (const wake of this.wakers) wake();
    return results;
  }

  async read(refId: RefId, fromSeq = 1): Promise<JournalEntry[]> {
    return await this.database.read((db) => entriesOf(db, refId, fromSeq));
  }

  async superseded(refId: RefId): Promise<SupersededEntry[]> {
    return await this.database.read((db) => supersededOf(db, refId));
  }

  async readAll({ after = 0, limit = 500 }: { after?: number; limit?: number } = {}): Promise<JournalEntry[]> {
    return await this.database.read((db) => entriesAfter(db, after, checkLimit(limit)));
  }

  follow(options?: FollowOptions): AsyncGenerator<JournalEntry, void, void> {
    const entries = (after: number, limit: number) => this.database.read((db) => entriesAfter(db, after, limit));
    return follow({ entriesAfter: entries, onAppend: (wake) => this.onAppend(wake) }, options);
  }

  private onAppend(wake: () => void): () => void {
    this.wakers.add(wake);
    return () => this.wakers.delete(wake);
  }

  async head(): Promise<number> {
    return await this.database.read(headPosition);
  }

  async stateOf(refId: RefId): Promise<InstanceState | undefined> {
    const entries = await this.read(refId);
    return entries.length === 0 ? undefined : fold(entries.map(({ event }) => event));
  }

  async instances(query?: InstanceQuery) {
    return await this.database.read((db) => findInstances(db, query));
  }

  async countInstances(filter?: InstanceFilter) {
    return await this.database.read((db) => countInstances(db, filter));
  }

  async attempts(query?: AttemptQuery) {
    return await this.database.read((db) => findAttempts(db, query));
  }

  async refusals(query?: { offerId?: string; since?: IsoTime }) {
    return await this.database.read((db) => findRefusals(db, query));
  }

  async bootTimes(query?: { offerId?: string; since?: IsoTime }) {
    return await this.database.read((db) => findBootTimes(db, query));
  }

  async usage(query?: UsageQuery) {
    return await this.database.read((db) => findUsage(db, query));
  }

  async rebuild() {
    return await rebuild(this.database);
  }

  async verify() {
    return await verify(this.database);
  }

  async close(): Promise<void> {
    await this.queue.idle();
    await this.database.close();
  }
}
