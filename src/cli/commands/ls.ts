import { type Command, Option } from 'commander';
import type { ListFilter, Phase } from '../../client/index.js';
import { type JournalOnly, type Row, rowsOfJournal, withForgotten } from '../forgotten.js';
import { type Column, table } from '../table.js';
import { print, printJson, say, terminalOf } from '../terminal.js';
import { between } from '../text/time.js';
import { type JsonOption, toCount, toMoment, withJson } from './options.js';

interface Options extends JsonOption {
  phase?: string[];
  provider?: string;
  credential?: string;
  location?: string;
  instanceType?: string;
  errorKind?: string;
  debt?: boolean;
  all?: boolean;
  limit: number;
  order?: JournalOnly['orderBy'];
  ascending?: boolean;
  name?: string;
  createdFrom?: string;
  createdTo?: string;
}

const TIME = '2026-03-01, 2026-03-01T09:00Z, or 30d for that long ago';
/** What a person sorts by: the journal knows more orders, of which none says more. */
const ORDERS = [
  'createdAt',
  'updatedAt',
  'since',
  'readyAt',
  'terminatedAt',
  'name',
  'phase',
  'offerId',
  'failureKind',
];

export function addLs(program: Command): void {
  const command = program
    .command('ls')
    .summary('list instances')
    .description('Instances that are not over, newest first. The list may lag a second behind.')
    .option('--phase <phase...>', 'in one of these phases')
    .option('--provider <id>')
    .option('--credential <cloudCredRefId>')
    .option('--location <name>')
    .option('--instance-type <name>')
    .option('--error-kind <kind>', 'with this failure, such as OutOfQuota')
    .option('--debt', 'with something that could not be deleted yet')
    .option('--all', 'also those that are over: while Temporal keeps them, then from the journal')
    .option('--limit <n>', 'at most this many', toCount, 1000)
    .optionsGroup('From the journal alone, which SLIPWAY_JOURNAL_URL names:')
    .addOption(new Option('--order <field>', 'in this order, the largest first').choices(ORDERS))
    .option('--ascending', 'the smallest first')
    .option('--name <prefix>', 'whose name begins like this')
    .option('--created-from <time>', `requested after it: ${TIME}`, toMoment)
    .option('--created-to <time>', 'requested before it', toMoment);
  withJson(command).action(ls);
}

async function ls({ json, credential, debt, phase, ...options }: Options): Promise<void> {
  const { order, ascending, name, createdFrom, createdTo, ...rest } = options;
  const created = (createdFrom || createdTo) && {
    ...(createdFrom && { from: createdFrom }),
    ...(createdTo && { to: createdTo }),
  };
  const asked: JournalOnly = {
    ...(order && { orderBy: order }),
    ...(ascending && { direction: 'asc' as const }),
    ...(name && { namePrefix: name }),
    ...(created && { created }),
  };
  const filter: ListFilter = {
    ...rest,
    ...(phase && { phase: phase as Phase[] }),
    ...(credential && { cloudCredRefId: credential }),
    ...(debt && { cleanupDebt: true }),
  };
  const rows = await (Object.keys(asked).length > 0 ? rowsOfJournal(filter, asked) : listed(filter));
  if (json) return printJson(rows);
  if (rows.length === 0) say('No instances.');
  else print(table(COLUMNS, rows, terminalOf().width).join('\n'));
}

async function listed(filter: ListFilter): Promise<Row[]> {
  const { withClient } = await import('../session.js');
  return await withClient((client) => withForgotten(client, filter));
}

const COLUMNS: Column<Row>[] = [
  { title: 'REF ID', text: ({ refId }) => refId, min: 12 },
  { title: 'PHASE', text: ({ phase, open }) => phase ?? (open ? '-' : 'over') },
  { title: 'CREDENTIAL', text: ({ cloudCredRefId = '-' }) => cloudCredRefId, min: 8 },
  { title: 'LOCATION', text: ({ location = '-' }) => location, min: 6 },
  { title: 'TYPE', text: ({ instanceType = '-' }) => instanceType, min: 8 },
  {
    title: 'TROUBLE',
    text: ({ errorKind, cleanupDebt }) => [errorKind, cleanupDebt && 'debt'].filter(Boolean).join(', ') || '-',
    min: 8,
  },
  { title: 'AGE', text: ({ startedAt, closedAt }) => between(startedAt, closedAt) },
];
