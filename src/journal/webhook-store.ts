import { sql } from 'kysely';
import { type IsoTime, type RefId, toIsoTime } from '../domain/ids.js';
import { chunks } from './models/write.js';
import type { Database, Reader, Writer } from './store/database.js';
import { headPosition, type JournalEntry, toEntry } from './store/entries.js';

/** Where one endpoint stands. */
export interface WebhookCursor {
  endpoint: string;
  /** Everything up to here was delivered, is being retried, or is dead. */
  position: number;
  retrying: number;
  dead: number;
}

/** A delivery that was given up. The event itself is in the journal. */
export interface DeadLetter {
  endpoint: string;
  position: number;
  refId: RefId;
  tries: number;
  /** What the last try met, in words: never the endpoint's own text. */
  lastError: string;
  /** When it was given up. */
  at: IsoTime;
}

/** A delivery that failed before, or waits behind one of its instance that did. */
export interface Retry {
  position: number;
  refId: RefId;
  tries: number;
  /** Milliseconds since the epoch. */
  dueAt: number;
}

/** What one pass made of its deliveries. */
export interface Settlement {
  /** The new cursor. */
  position: number;
  /** Positions that need no row any more. */
  delivered: readonly number[];
  waiting: readonly (Retry & { status: 'retrying' | 'dead'; lastError: string })[];
}

/** Cursors, leases, retries and dead letters of the webhook sink, kept with the events they are about. */
export interface WebhookStore {
  cursors(): Promise<WebhookCursor[]>;
  /** Oldest first; of one endpoint or of all; at most `limit` (default 100) after a position. */
  deadLetters(query?: { endpoint?: string; after?: number; limit?: number }): Promise<DeadLetter[]>;
  /**
   * Puts dead letters back in line, with fresh tries: all of an endpoint's, or those at the positions. Later events of
   * the same instances may have arrived before them. @returns how many.
   */
  replay(endpoint: string, positions?: readonly number[]): Promise<number>;

  /**
   * Takes or renews the right to deliver to an endpoint, until `now + leaseMs`; makes its cursor if it has none,
   * at the newest event or before the first. @returns false while another owner holds it.
   */
  claim(endpoint: string, lease: { owner: string; leaseMs: number; from: 'now' | 'start' }): Promise<boolean>;
  release(endpoint: string, owner: string): Promise<void>;
  /** The cursor, and all that is being retried, in order. */
  pending(endpoint: string): Promise<{ position: number; retries: Retry[] }>;
  entriesAt(positions: readonly number[]): Promise<JournalEntry[]>;
  /** Records a pass, if `owner` still holds the lease. @returns false when it does not: nothing was recorded. */
  settle(endpoint: string, owner: string, settlement: Settlement): Promise<boolean>;
}

export class SqlWebhookStore implements WebhookStore {
  constructor(private readonly database: Database) {}

  async cursors(): Promise<WebhookCursor[]> {
    return await this.database.read(async (db) => {
      const count = (status: string) => sql<number>`(select count(*) from journal_webhook_delivery d
        where d.endpoint = journal_webhook.endpoint and d.status = ${status})`;
      return await db
        .selectFrom('journalWebhook')
        .select(['endpoint', 'position', count('retrying').as('retrying'), count('dead').as('dead')])
        .orderBy('endpoint')
        .execute();
    });
  }

  async deadLetters({ endpoint, after = 0, limit = 100 }: { endpoint?: string; after?: number; limit?: number } = {}) {
    return await this.database.read(async (db) => {
      let select = db
        .selectFrom('journalWebhookDelivery')
        .select(['endpoint', 'position', 'refId', 'tries', 'lastError', 'updatedAt as at'])
        .where('status', '=', 'dead')
        .where('position', '>', after);
      if (endpoint !== undefined) select = select.where('endpoint', '=', endpoint);
      return await select.orderBy('position').orderBy('endpoint').limit(limit).execute();
    });
  }

  async replay(endpoint: string, positions?: readonly number[]): Promise<number> {
    return await this.database.write(async (trx) => {
      const fresh = { status: 'retrying', tries: 0, dueAt: 0, updatedAt: toIsoTime(Date.now()) };
      let update = trx.updateTable('journalWebhookDelivery').set(fresh).where('endpoint', '=', endpoint);
      if (positions) update = update.where('position', 'in', positions);
      const { numUpdatedRows } = await update.where('status', '=', 'dead').executeTakeFirst();
      return Number(numUpdatedRows);
    });
  }

  async claim(endpoint: string, { owner, leaseMs, from }: { owner: string; leaseMs: number; from: 'now' | 'start' }) {
    return await this.database.writeInTurn(async (trx) => {
      const now = Date.now();
      const known = await trx
        .selectFrom('journalWebhook')
        .selectAll()
        .where('endpoint', '=', endpoint)
        .executeTakeFirst();
      if (known && known.leaseOwner !== owner && known.leaseUntil > now) return false;
      const lease = { leaseOwner: owner, leaseUntil: now + leaseMs };
      if (known) await trx.updateTable('journalWebhook').set(lease).where('endpoint', '=', endpoint).execute();
      else {
        const position = from === 'now' ? await headPosition(trx) : 0;
        await trx
          .insertInto('journalWebhook')
          .values({ endpoint, position, ...lease })
          .execute();
      }
      return true;
    });
  }

  async release(endpoint: string, owner: string): Promise<void> {
    await this.database.write(async (trx) => {
      const update = trx.updateTable('journalWebhook').set({ leaseOwner: '', leaseUntil: 0 });
      await update.where('endpoint', '=', endpoint).where('leaseOwner', '=', owner).execute();
    });
  }

  async pending(endpoint: string) {
    return await this.database.read(async (db) => ({
      position: await cursorOf(db, endpoint),
      retries: await db
        .selectFrom('journalWebhookDelivery')
        .select(['position', 'refId', 'tries', 'dueAt'])
        .where('endpoint', '=', endpoint)
        .where('status', '=', 'retrying')
        .orderBy('position')
        .execute(),
    }));
  }

  async entriesAt(positions: readonly number[]): Promise<JournalEntry[]> {
    if (positions.length === 0) return [];
    return await this.database.read(async (db) => {
      const select = db.selectFrom('journalEvent').selectAll().where('position', 'in', positions);
      return (await select.orderBy('position').execute()).map(toEntry);
    });
  }

  async settle(endpoint: string, owner: string, { position, delivered, waiting }: Settlement): Promise<boolean> {
    return await this.database.write(async (trx) => {
      const held = trx.updateTable('journalWebhook').set({ position }).where('endpoint', '=', endpoint);
      const { numUpdatedRows } = await held.where('leaseOwner', '=', owner).executeTakeFirst();
      if (Number(numUpdatedRows) === 0) return false;
      const rows = trx.deleteFrom('journalWebhookDelivery').where('endpoint', '=', endpoint);
      for (const chunk of chunks(delivered)) await rows.where('position', 'in', chunk).execute();
      for (const chunk of chunks(waiting)) await putDeliveries(trx, endpoint, chunk);
      return true;
    });
  }
}

async function cursorOf(db: Reader, endpoint: string): Promise<number> {
  const row = await db
    .selectFrom('journalWebhook')
    .select('position')
    .where('endpoint', '=', endpoint)
    .executeTakeFirst();
  return row?.position ?? 0;
}

async function putDeliveries(trx: Writer, endpoint: string, waiting: Settlement['waiting']): Promise<void> {
  const updatedAt = toIsoTime(Date.now());
  await trx
    .insertInto('journalWebhookDelivery')
    .values(
      waiting.map(({ position, refId, status, tries, dueAt, lastError }) => {
        return { endpoint, position, refId, status, tries, dueAt, lastError, updatedAt };
      }),
    )
    .onConflict((conflict) =>
      conflict.columns(['endpoint', 'position']).doUpdateSet(({ ref }) => ({
        status: ref('excluded.status'),
        tries: ref('excluded.tries'),
        dueAt: ref('excluded.dueAt'),
        lastError: ref('excluded.lastError'),
        updatedAt: ref('excluded.updatedAt'),
      })),
    )
    .execute();
}
