import { JournalError, JournalUnavailable } from '../errors.js';
import type { Append, Appended } from './append.js';
import type { Supersede, Superseded } from './supersede.js';

/** Events of one transaction, at most (a single larger append goes alone). */
const BATCH_EVENTS = 500;

export type Work = Append | Supersede;

interface Waiting {
  work: Work;
  resolve(done: Appended | Superseded): void;
  reject(error: unknown): void;
}

/**
 * Appends of one process, stored in the order they came. Those that come while a transaction is under way share the
 * next one: a commit waits for the disk, and a hundred instances need not wait a hundred times. To supersede is rare, and
 * has a transaction of its own.
 */
export class AppendQueue {
  private waiting: Waiting[] = [];
  private working: Promise<void> | undefined;

  /** @param store commits a batch, all or nothing. */
  constructor(private readonly store: (batch: readonly Work[]) => Promise<(Appended | JournalError)[]>) {}

  add(work: Supersede): Promise<Superseded>;
  add(work: Append): Promise<Appended>;
  async add(work: Work): Promise<Appended | Superseded> {
    return await new Promise<Appended | Superseded>((resolve, reject) => {
      this.waiting.push({ work, resolve, reject });
      this.working ??= this.work();
    });
  }

  /** Resolves once nothing is under way. */
  async idle(): Promise<void> {
    await this.working;
  }

  private async work(): Promise<void> {
    await Promise.resolve(); // lets callers of the same tick come along
    while (this.waiting.length > 0) await this.flush(this.nextBatch());
    this.working = undefined;
  }

  private nextBatch(): Waiting[] {
    let events = 0;
    const full = this.waiting.findIndex(({ work }, index) => {
      events += work.events.length;
      const before = this.waiting[index - 1]?.work;
      return events > BATCH_EVENTS || (before && (isSupersede(work) || isSupersede(before)));
    });
    return this.waiting.splice(0, full === -1 ? this.waiting.length : Math.max(1, full));
  }

  private async flush(batch: readonly Waiting[]): Promise<void> {
    try {
      const results = await this.store(batch.map(({ work }) => work));
      for (const [index, { resolve, reject }] of batch.entries()) {
        const result = results[index] as Appended | JournalError;
        if (result instanceof JournalError) reject(result);
        else resolve(result);
      }
    } catch (error) {
      const alone = batch.length === 1 || error instanceof JournalUnavailable;
      // One of them carries something that no table takes: the others must not fail with it.
      if (!alone) for (const one of batch) await this.flush([one]);
      else for (const { reject } of batch) reject(error);
    }
  }
}

export function isSupersede(work: Work): work is Supersede {
  return 'reason' in work;
}
