import { setTimeout as sleep } from 'node:timers/promises';
import PQueue from 'p-queue';
import type { RefId } from '../domain/ids.js';
import { fold, type InstanceEvent, type InstanceView } from '../domain/instance/index.js';
import { toView } from '../domain/instance/view.js';
import type { Journal } from '../journal/index.js';
import { jsonDifferences } from '../journal/json.js';
import type { EventsPage } from '../workflows/messages.js';
import type { SlipwayClient } from './client.js';
import { SlipwayError } from './errors.js';

/** One place where the journal and a workflow do not say the same of an instance. */
export interface WorkflowDifference {
  refId: RefId;
  /** The event it is about; for the view, the newest event it rests on. 0 where there is none. */
  seq: number;
  /**
   * The path of a field of the event, or below `view` of the state the events amount to; `event` where one of the two
   * has no event of that number; `workflow` where one does not know the instance at all.
   */
  field: string;
  /** In words. */
  what: string;
}

export interface WorkflowComparison {
  /** Instances that both sides were asked about. */
  compared: number;
  /** Over, in the journal, and no longer known to Temporal. */
  forgotten: number;
  /** Requests that were refused as invalid: they never became instances. */
  rejected: number;
  /** Their workflow did not answer in time: no worker, or none that can replay it. */
  unanswered: RefId[];
  differences: WorkflowDifference[];
}

export interface ComparisonOptions {
  /**
   * How long an instance is looked at again while the two differ, in ms: events reach the journal with the step that
   * follows them, which for a machine that boots is a look after half a minute. Default 60 s.
   */
  patienceMs?: number;
  /** Instances compared at once. Default 8. */
  concurrency?: number;
}

/** Between two looks at an instance that differs, in ms. */
const LOOK_AGAIN_MS = 500;
const PAGE = 1_000;

/**
 * Compares what the journal holds of every instance with what its workflow says: event by event, as far back as the
 * workflow holds them, and the view it gives with that of the journal's fold. Changes nothing.
 *
 * Workflows are found by listing, open and closed. Whatever a workflow answers takes a worker: a closed one is replayed.
 * @throws {SlipwayError} Unreachable when Temporal cannot be listed @throws {JournalError}
 */
export async function compareWithWorkflows(
  client: SlipwayClient,
  journal: Journal,
  { patienceMs = 60_000, concurrency = 8 }: ComparisonOptions = {},
): Promise<WorkflowComparison> {
  const total: WorkflowComparison = { compared: 0, forgotten: 0, rejected: 0, unanswered: [], differences: [] };
  const listed = await client.list({ all: true, limit: Number.POSITIVE_INFINITY });
  // One that went on as new, or was reset, is listed once for each run that Temporal still keeps.
  const refIds = new Set(listed.map(({ refId }) => refId));
  for await (const { refId, phase } of journaled(journal)) {
    if (phase === 'terminated' && !refIds.has(refId)) total.forgotten += 1;
    else refIds.add(refId); // just begun and not listed yet, or gone without its end
  }
  const queue = new PQueue({ concurrency });
  await queue.addAll(
    [...refIds].map((refId) => async () => {
      const found = await comparePatiently(client, journal, refId, Date.now() + patienceMs);
      if (found === 'rejected') total.rejected += 1;
      else if (found === 'unanswered') total.unanswered.push(refId);
      else {
        total.compared += 1;
        total.differences.push(...found);
      }
    }),
  );
  total.differences.sort((a, b) => (a.refId === b.refId ? a.seq - b.seq : a.refId < b.refId ? -1 : 1));
  return total;
}

async function* journaled(journal: Journal) {
  for (let after: string | undefined; ; ) {
    const query = { orderBy: 'refId', direction: 'asc', limit: PAGE } as const;
    const page = await journal.instances({ ...query, ...(after !== undefined && { after }) });
    yield* page.rows;
    after = page.next;
    if (after === undefined) return;
  }
}

async function comparePatiently(client: SlipwayClient, journal: Journal, refId: RefId, until: number) {
  for (;;) {
    const found = await compareOne(client, journal, refId);
    if (typeof found === 'string' || found.length === 0 || Date.now() > until) return found;
    await sleep(LOOK_AGAIN_MS);
  }
}

async function compareOne(
  client: SlipwayClient,
  journal: Journal,
  refId: RefId,
): Promise<WorkflowDifference[] | 'rejected' | 'unanswered'> {
  const said = await askWorkflow(client, refId);
  if (said === 'unanswered') return said;
  const stored = (await journal.read(refId)).map(({ event }) => event);
  if (said === 'rejected') {
    const what = 'the journal has events of a request that was refused';
    return stored.length === 0 ? said : [{ refId, seq: 1, field: 'workflow', what }];
  }
  if (said === 'unknown') {
    const what = 'the journal has it as not over, and Temporal does not know it';
    return stored.length === 0 ? [] : [{ refId, seq: stored.length, field: 'workflow', what }];
  }
  return [...eventDifferences(refId, said.page, stored), ...viewDifferences(refId, said.view, stored)];
}

interface Said {
  page: EventsPage;
  /** Absent for one that was ended by force: it left none. */
  view?: InstanceView;
}

async function askWorkflow(client: SlipwayClient, refId: RefId): Promise<Said | 'rejected' | 'unknown' | 'unanswered'> {
  const view = await client.describe(refId).catch((error: unknown) => kindOf(error));
  if (view === 'InvalidRequest') return 'rejected';
  if (view === 'Unreachable') return 'unanswered';
  const page = await client.events(refId).catch((error: unknown) => kindOf(error));
  if (typeof page === 'string') return page === 'Unreachable' ? 'unanswered' : 'unknown';
  return { page, ...(typeof view !== 'string' && { view }) };
}

/** @throws whatever is no answer about the instance. */
function kindOf(error: unknown): 'NotFound' | 'InvalidRequest' | 'Unreachable' {
  if (error instanceof SlipwayError) {
    const { kind } = error;
    if (kind === 'NotFound' || kind === 'InvalidRequest' || kind === 'Unreachable') return kind;
  }
  throw error;
}

function eventDifferences(refId: RefId, page: EventsPage, stored: readonly InstanceEvent[]): WorkflowDifference[] {
  const bySeq = new Map(stored.map((event) => [event.seq, event]));
  const isKnownLost = (lost: number) => {
    return stored.some((event) => event.type === 'FactsLost' && event.from <= lost && lost < event.seq);
  };
  const found = page.events.flatMap((event): WorkflowDifference[] => {
    const { seq } = event;
    const other = bySeq.get(seq);
    if (!other && isKnownLost(seq)) return [];
    if (!other) return [{ refId, seq, field: 'event', what: `${event.type} is missing in the journal` }];
    const what = `the journal’s ${other.type} is not the workflow’s`;
    return jsonDifferences(event, other).map((field) => ({ refId, seq, field, what }));
  });
  const beyond = stored.filter(({ seq }) => seq > page.lastSeq);
  return [
    ...found,
    ...beyond.map(({ seq, type }) => ({ refId, seq, field: 'event', what: `the workflow does not know ${type}` })),
  ];
}

/** Whatever one side lacks is told event by event; here the events that both have must amount to the same. */
function viewDifferences(
  refId: RefId,
  view: InstanceView | undefined,
  stored: readonly InstanceEvent[],
): WorkflowDifference[] {
  if (!view || (stored.at(-1)?.seq ?? 0) < view.seq) return [];
  const { seq } = view;
  try {
    const folded = toView(fold(stored.filter((event) => event.seq <= seq)));
    return jsonDifferences(view, folded, 'view').map((field) => ({
      refId,
      seq,
      field,
      what: 'the journal’s events amount to something else',
    }));
  } catch (error) {
    return [{ refId, seq, field: 'view', what: error instanceof Error ? error.message : String(error) }];
  }
}
