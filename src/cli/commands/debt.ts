import type { Command } from 'commander';
import type { CleanupDebt } from '../../client/index.js';
import { type Column, table } from '../table.js';
import { print, printJson, say, terminalOf } from '../terminal.js';
import { between } from '../text/time.js';
import { type JsonOption, withJson } from './options.js';

interface Options extends JsonOption {
  credential?: string;
}

export function addDebt(program: Command): void {
  const command = program
    .command('debt')
    .summary('what may bill and could not be deleted yet')
    .description(
      'Machines that could not be deleted yet, or that arrived late: what, since when, and what they cost. Slipway goes\n' +
        'on trying; `slipway retry` tries at once, `slipway release` lets one go on your word. One that arrived after its\n' +
        'instance was over is listed until it is gone: there is nothing left to retry or release.',
    )
    .option('--credential <cloudCredRefId>', 'of this account only');
  withJson(command).action(debt);
}

async function debt({ json, credential }: Options): Promise<void> {
  const { withClient } = await import('../session.js');
  const debts = await withClient((client) => client.debts(credential ? { cloudCredRefId: credential } : {}));
  if (json) return printJson(debts);
  if (debts.length === 0) return say('No cleanup debt: nothing bills that should be gone.');
  print(table(COLUMNS, debts, terminalOf().width).join('\n'));
}

const COLUMNS: Column<CleanupDebt>[] = [
  { title: 'REF ID', text: ({ refId }) => refId, min: 12 },
  { title: 'MACHINE', text: ({ cloudId }) => cloudId, min: 10 },
  { title: 'OFFER', text: ({ offerId }) => offerId, min: 8 },
  { title: 'CAUSE', text: ({ cause }) => cause },
  { title: 'FOR', text: ({ since }) => between(since) },
  { title: 'PER HOUR', text: ({ pricePerHour }) => price(pricePerHour) },
  { title: 'SO FAR', text: ({ costSoFar }) => price(costSoFar) },
  { title: 'WHY', text: ({ reason = '-' }) => reason, min: 8 },
];

function price(money: CleanupDebt['pricePerHour']): string {
  return money ? `${money.amount} ${money.currency}` : '-';
}
