import { type OfferId, toIsoTime } from '../../domain/ids.js';
import type { UsualBoot } from '../../domain/instance/index.js';
import type { Journal } from '../../journal/index.js';
import { within } from './within.js';

/** What was measured before says nothing about today, in ms. */
const MEASURED_WITHIN_MS = 30 * 86_400_000;
/** How long an answer is good enough for the next create at the offer, in ms. */
const GOOD_FOR_MS = 10 * 60_000;
/** A create waits no longer than this for it, in ms: it is advice. */
const ANSWER_WITHIN_MS = 500;

/** How long machines of an offer usually take to run: asked of the journal once in a while, and never waited for long. */
export class BootTimes {
  private readonly known = new Map<OfferId, { at: number; usual: Promise<UsualBoot | undefined> }>();

  /** @param open may fail: then nothing is known. */
  constructor(private readonly open: () => Promise<Journal>) {}

  async usual(offer: OfferId): Promise<UsualBoot | undefined> {
    const earlier = this.known.get(offer);
    const entry = earlier && Date.now() - earlier.at < GOOD_FOR_MS ? earlier : this.ask(offer);
    return await within(ANSWER_WITHIN_MS, entry.usual);
  }

  private ask(offerId: OfferId) {
    const usual = this.measured(offerId).catch(() => {
      this.known.delete(offerId);
      return undefined;
    });
    const entry = { at: Date.now(), usual };
    this.known.set(offerId, entry);
    return entry;
  }

  private async measured(offerId: OfferId): Promise<UsualBoot | undefined> {
    const journal = await this.open();
    const [times] = await journal.bootTimes({ offerId, since: toIsoTime(Date.now() - MEASURED_WITHIN_MS) });
    if (!times?.running) return undefined;
    const { count, p50, p99 } = times.running;
    return { machines: count, p50Ms: p50, p99Ms: p99 };
  }
}
