import type { Client } from '@temporalio/client';
import { instanceWorkflowId, type RefId } from '../../domain/ids.js';
import type { JournalParcel } from '../../domain/journaling.js';
import { type Journal, JournalConflict, JournalGap, JournalStaleRun, JournalUnavailable } from '../../journal/index.js';
import type { Logger } from '../../logging.js';
import { redact } from '../../redact.js';
import { type FactSink, JournalDown } from './interceptor.js';
import { within } from './within.js';

export interface FactKeeperOptions {
  /** Opens the journal. Called again after it failed. @throws {JournalUnavailable} */
  open(): Promise<Journal>;
  client: Client;
  logger: Logger;
}

/** How long the facts of one activity may hold it up, in ms. Safe to cut off: what was stored meanwhile is skipped later. */
const KEEP_WITHIN_MS = 5_000;
/** A journal that did not answer is not asked again for this long, in ms: every activity would wait for it in turn. */
const REST_MS = 1_000;

/** Takes facts to the journal, which may be away: then it says so at once, and tries again later. */
export class FactKeeper implements FactSink {
  private journal: Promise<Journal> | undefined;
  private down: { until: number; message: string } | undefined;

  constructor(private readonly options: FactKeeperOptions) {}

  async keep(parcel: JournalParcel['journal'], runId: string): Promise<number> {
    if (parcel.events.length === 0) return parcel.upTo; // the workflow sends them next time: now it knows of us
    if (this.down && Date.now() < this.down.until) throw new JournalDown(this.down.message);
    try {
      const kept = await within(KEEP_WITHIN_MS, this.store(parcel, runId));
      if (kept === undefined) throw new JournalUnavailable(`The journal did not answer within ${KEEP_WITHIN_MS} ms`);
      if (this.down) this.options.logger.info('The journal answers again');
      this.down = undefined;
      return kept;
    } catch (error) {
      throw this.noteDown(error);
    }
  }

  async close(): Promise<void> {
    const journal = await this.journal?.catch(() => undefined);
    await journal?.close();
  }

  private async store(parcel: JournalParcel['journal'], runId: string): Promise<number> {
    const { refId, events } = parcel;
    const journal = await this.opened();
    try {
      await journal.append(refId, events, { runId });
    } catch (error) {
      if (error instanceof JournalGap) return this.fillGap(error, parcel);
      if (!isOfAnotherRun(error)) throw error;
      await this.settle(journal, error, parcel, runId);
    }
    // Never the journal's own newest fact: it may be that of a run which went on where this one began anew.
    return this.lastOf(parcel);
  }

  /** The journal holds what another run wrote. Temporal knows which of the two lives, and that one's word counts. */
  private async settle(
    journal: Journal,
    error: JournalConflict | JournalStaleRun,
    parcel: JournalParcel['journal'],
    runId: string,
  ): Promise<void> {
    const { refId, events } = parcel;
    const over = error instanceof JournalStaleRun ? error.currentRunId : error.stored.runId;
    if (!over || over === runId) {
      this.options.logger.error({ refId, err: error }, 'The journal knows another fact under this number');
      return; // nothing that sending it again would mend
    }
    if ((await this.presentRun(refId)) !== runId) return; // this run is over itself: nobody reads the answer
    const reason = `temporal workflow reset: run ${runId} took over`;
    try {
      const { superseded } = await journal.supersede(refId, events, { runId, reason, over });
      if (superseded)
        this.options.logger.warn({ refId, runId }, 'A reset made other facts: the ones before are set aside');
    } catch (next) {
      if (!isOfAnotherRun(next)) throw next;
      await this.settle(journal, next, parcel, runId);
    }
  }

  private lastOf({ events, upTo }: JournalParcel['journal']): number {
    return events.at(-1)?.seq ?? upTo;
  }

  /** The journal lacks facts before these: it was put back from a backup. The workflow sends them again, if it can. */
  private fillGap({ refId, expectedSeq, offeredSeq }: JournalGap, { upTo }: JournalParcel['journal']): number {
    const fields = { refId, expectedSeq, offeredSeq };
    if (upTo >= expectedSeq) this.options.logger.warn(fields, 'The journal has lost facts: they are sent again');
    else this.options.logger.error(fields, 'The journal lacks facts that came before');
    return expectedSeq - 1;
  }

  private async presentRun(refId: RefId): Promise<string> {
    const { runId } = await this.options.client.workflow.getHandle(instanceWorkflowId(refId)).describe();
    return runId;
  }

  /** The journal, opened if it is not yet. @throws {JournalError} */
  opened(): Promise<Journal> {
    this.journal ??= this.options.open().catch((error) => {
      this.journal = undefined;
      throw error;
    });
    return this.journal;
  }

  /** Whatever is wrong with the journal, a machine that must be ended is not kept waiting for it. */
  private noteDown(error: unknown): JournalDown {
    if (!(error instanceof JournalUnavailable)) {
      this.options.logger.error({ err: error }, 'The journal did not take facts: their instance sends them again');
      return new JournalDown(redact(error instanceof Error ? error.message : String(error)));
    }
    if (!this.down) this.options.logger.error({ err: error }, 'The journal does not answer: new machines wait for it');
    this.down = { until: Date.now() + REST_MS, message: error.message };
    return new JournalDown(error.message);
  }
}

function isOfAnotherRun(error: unknown): error is JournalConflict | JournalStaleRun {
  return error instanceof JournalConflict || error instanceof JournalStaleRun;
}
