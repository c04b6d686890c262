import type { Command } from 'commander';
import type { ListFilter, Phase } from '../../client/index.js';
import { type Row, withForgotten } from '../forgotten.js';
import { type Column, table } from '../table.js';
import { print, printJson, say, terminalOf } from '../terminal.js';
import { between } from '../text/time.js';
import { type JsonOption, toCount, withJson } from './options.js';

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
}

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
    .option('--limit <n>', 'at most this many', toCount, 1000);
  withJson(command).action(ls);
}

async function ls({ json, credential, debt, phase, ...rest }: Options): Promise<void> {
  const { withClient } = await import('../session.js');
  const filter: ListFilter = {
    ...rest,
    ...(phase && { phase: phase as Phase[] }),
    ...(credential && { cloudCredRefId: credential }),
    ...(debt && { cleanupDebt: true }),
  };
  const rows = await withForgotten(await withClient((client) => client.list(filter)), filter);
  if (json) return printJson(rows);
  if (rows.length === 0) say('No instances.');
  else print(table(COLUMNS, rows, terminalOf().width).join('\n'));
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
