import type { InstanceEvent, InstanceView, SlipwayClient } from '../client/index.js';
import { fold } from '../domain/instance/index.js';
import { toView } from '../domain/instance/view.js';
import { withJournalIfAny, withJournalIfThere } from './journal.js';

export interface Recalled {
  view: InstanceView;
  /** Oldest first. */
  events: InstanceEvent[];
  /** The oldest event that anybody still holds. */
  firstSeq: number;
}

/**
 * An instance's whole life: from its workflow; from the journal, if there is one, what the workflow no longer holds, and
 * all of it once Temporal has forgotten the workflow. A journal that is away takes nothing from what the workflow says.
 * @throws {SlipwayError} NotFound when neither knows it.
 */
export async function recall(client: SlipwayClient, refId: string): Promise<Recalled> {
  try {
    const [view, page] = await Promise.all([client.describe(refId), client.events(refId)]);
    if (page.firstSeq <= 1) return { view, events: page.events, firstSeq: page.firstSeq };
    const earlier = (await journaled(refId, withJournalIfThere)).filter(({ seq }) => seq < page.firstSeq);
    return { view, events: [...earlier, ...page.events], firstSeq: earlier[0]?.seq ?? page.firstSeq };
  } catch (error) {
    if ((error as { kind?: unknown }).kind !== 'NotFound') throw error;
    const events = await journaled(refId, withJournalIfAny);
    if (events.length === 0) throw error;
    return { view: toView(fold(events)), events, firstSeq: events[0]?.seq ?? 1 };
  }
}

async function journaled(refId: string, withJournal: typeof withJournalIfAny): Promise<InstanceEvent[]> {
  return (await withJournal((journal) => journal.read(refId)))?.map(({ event }) => event) ?? [];
}
