import type { RefId } from '../domain/ids.js';
import type { InstanceEvent } from '../domain/instance/index.js';
import type { JournalParcel } from '../domain/journaling.js';

/** What a workflow knows of the journal: plain JSON, for it travels through continue-as-new. */
export interface JournalMark {
  /** `expected` until a worker that has none has answered. */
  journal: 'expected' | 'none';
  /** The newest fact that is in it. */
  upTo: number;
}

/** A run that began before there was a journal does not expect one, and asks with each activity. */
const NO_JOURNAL: JournalMark = { journal: 'none', upTo: 0 };

/**
 * How many facts one activity carries to the journal, at some 300 bytes each: while it is down, every activity writes them
 * into the history. A create carries all, for its intent is the newest.
 */
const CARRIED = 200;

/** The facts of one instance that the journal is not known to have. */
export class Unjournaled {
  private mark: JournalMark;

  constructor(
    private readonly refId: RefId,
    private readonly events: () => readonly InstanceEvent[],
    mark: JournalMark | 'new' = NO_JOURNAL,
  ) {
    this.mark = mark === 'new' ? { journal: 'expected', upTo: 0 } : mark;
  }

  snapshot(): JournalMark {
    return { ...this.mark };
  }

  parcel(activityType: string): JournalParcel {
    const { journal, upTo } = this.mark;
    const due = journal === 'none' ? [] : this.due();
    const events = activityType === 'createInstance' ? due : due.slice(0, CARRIED);
    return { journal: { refId: this.refId, upTo, events } };
  }

  /** From here on the journal shall still get them. */
  get owedFrom(): number {
    return this.mark.journal === 'none' ? Number.POSITIVE_INFINITY : this.mark.upTo + 1;
  }

  /** After facts that nobody holds any more, the journal goes on from where `FactsLost` says they had led. */
  private due(): readonly InstanceEvent[] {
    const { upTo } = this.mark;
    const held = this.events().filter(({ seq }) => seq > upTo);
    const isWhole = held[0]?.seq === upTo + 1;
    const lost = held.findLastIndex(({ type }) => type === 'FactsLost');
    return isWhole || lost < 0 ? held : held.slice(lost);
  }

  /**
   * An activity was answered: the journal has all facts up to `upTo`, or there is none. An answer that is older than
   * another's is passed over; one below what was sent means that the journal lacks some: they are sent again. Answers
   * the first of them when that cannot be, because it is no longer held.
   */
  confirm({ journal: sent }: JournalParcel, upTo: number | undefined): number | undefined {
    if (upTo === undefined) {
      this.mark = { journal: 'none', upTo: this.mark.upTo };
      return undefined;
    }
    const before = (sent.events[0]?.seq ?? sent.upTo + 1) - 1;
    const lacks = upTo < sent.upTo || (upTo < before && sent.events[0]?.type !== 'FactsLost');
    this.mark = { journal: 'expected', upTo: lacks ? upTo : Math.max(upTo, this.mark.upTo) };
    const [next] = lacks ? this.due() : [];
    return next && next.seq > upTo + 1 && next.type !== 'FactsLost' ? upTo + 1 : undefined;
  }

  /** Facts are waiting, and there is, or may be, a journal. */
  get isOwed(): boolean {
    return this.mark.journal !== 'none' && this.mark.upTo < (this.events().at(-1)?.seq ?? 0);
  }
}
