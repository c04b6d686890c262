import { type Command, Option } from 'commander';
import type { Usage, UsageKey } from '../../journal/index.js';
import { withJournal } from '../journal.js';
import { type Column, table } from '../table.js';
import { print, printJson, say, terminalOf } from '../terminal.js';
import { type JsonOption, toMoment, withJson } from './options.js';

/** How people say what the journal sums up by. */
const KEYS: Record<string, UsageKey> = {
  instance: 'refId',
  offer: 'offerId',
  credential: 'cloudCredRefId',
  provider: 'provider',
};

interface Options extends JsonOption {
  by: string;
  from?: string;
  to?: string;
}

export function addUsage(program: Command): void {
  const command = program
    .command('usage')
    .summary('machine-hours and what they cost')
    .description(
      'How long machines lived, from their creation to the proof that they are gone, and what that costs at the prices they\n' +
        'were created at: an estimate of the bill, not the bill. From the journal.',
    )
    .argument('[refId]', 'of this instance only')
    .addOption(new Option('--by <what>', 'summed up by').choices(Object.keys(KEYS)).default('instance'))
    .option(
      '--from <time>',
      'only what falls after it: 2026-03-01, 2026-03-01T09:00Z, or 30d for that long ago',
      toMoment,
    )
    .option('--to <time>', 'only what falls before it', toMoment);
  withJson(command).action(usage);
}

async function usage(refId: string | undefined, { json, by, from, to }: Options): Promise<void> {
  const query = { by: KEYS[by], ...(refId && { refId }), ...(from && { from }), ...(to && { to }) };
  const sums = await withJournal((journal) => journal.usage(query));
  if (json) return printJson(sums);
  if (sums.length === 0) return say('No machines.');
  print(table(columns(by), sums, terminalOf().width).join('\n'));
}

function columns(by: string): Column<Usage>[] {
  return [
    { title: by === 'instance' ? 'REF ID' : by.toUpperCase(), text: ({ key }) => key || '-', min: 12 },
    { title: 'MACHINES', text: ({ machines }) => String(machines) },
    { title: 'HOURS', text: ({ machineHours }) => machineHours.toFixed(2) },
    {
      title: 'COST',
      text: ({ cost }) => cost.map(({ amount, currency }) => `${amount} ${currency}`).join(', ') || '-',
    },
    {
      title: 'HOURS WITHOUT A PRICE',
      text: ({ unpricedMs }) => (unpricedMs ? (unpricedMs / 3_600_000).toFixed(2) : '-'),
    },
  ];
}
