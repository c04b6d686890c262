import type { Command } from 'commander';
import { formatMs } from '../../domain/duration.js';
import type { BootTimes, OfferRefusals, Percentiles } from '../../journal/index.js';
import { withJournal } from '../journal.js';
import { type Column, table } from '../table.js';
import { print, printJson, say, terminalOf } from '../terminal.js';
import { between } from '../text/time.js';
import { type JsonOption, toMoment, withJson } from './options.js';

interface Options extends JsonOption {
  since?: string;
}

/** What the journal has of one offer. */
interface KnownOffer extends Omit<BootTimes, 'offerId'> {
  offerId: string;
  refusals: number;
  lastRefusal?: OfferRefusals['last'];
}

export function addOffers(program: Command): void {
  const command = program
    .command('offers')
    .summary('how offers did: how long machines took, how often they were refused')
    .description(
      'By offer: how long its machines took to run and to be ready (median, and what 99 of 100 stay below), how often it\n' +
        'was refused, and why last. From the journal.',
    )
    .argument('[offerId]', 'this one only, as credential/location/type')
    .option('--since <time>', 'counted from: 2026-03-01, 2026-03-01T09:00Z, or 30d for that long ago', toMoment);
  withJson(command).action(offers);
}

async function offers(offerId: string | undefined, { json, since }: Options): Promise<void> {
  const query = { ...(offerId && { offerId }), ...(since && { since }) };
  const [times, refusals] = await withJournal(async (journal) => {
    return await Promise.all([journal.bootTimes(query), journal.refusals(query)]);
  });
  const rows = together(times, refusals);
  if (json) return printJson(rows);
  if (rows.length === 0) return say('Nothing is known of any offer.');
  print(table(COLUMNS, rows, terminalOf().width).join('\n'));
}

function together(times: readonly BootTimes[], refusals: readonly OfferRefusals[]): KnownOffer[] {
  const offerIds = new Set([...times, ...refusals].map(({ offerId }) => offerId));
  return [...offerIds].sort().map((offerId) => {
    const refused = refusals.find((one) => one.offerId === offerId);
    const booted = times.find((one) => one.offerId === offerId);
    return { ...booted, offerId, refusals: refused?.count ?? 0, ...(refused && { lastRefusal: refused.last }) };
  });
}

const COLUMNS: Column<KnownOffer>[] = [
  { title: 'OFFER', text: ({ offerId }) => offerId, min: 12 },
  { title: 'MACHINES', text: ({ running }) => String(running?.count ?? 0) },
  { title: 'RUNNING', text: ({ running }) => took(running) },
  { title: 'READY', text: ({ ready }) => took(ready) },
  { title: 'REFUSED', text: ({ refusals }) => String(refusals) },
  { title: 'LAST', text: ({ lastRefusal }) => (lastRefusal ? `${between(lastRefusal.at)} ago` : '-') },
  { title: 'WHY', text: ({ lastRefusal }) => lastRefusal?.kind ?? '-' },
];

function took(times: Percentiles | undefined): string {
  return times ? `${formatMs(times.p50)}, 99%: ${formatMs(times.p99)}` : '-';
}
