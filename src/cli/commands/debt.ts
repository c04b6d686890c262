import type { Command } from 'commander';
import { SlipwayError } from '../../client/errors.js';
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
        'instance was over is listed until it is gone: there is nothing left to retry or release. Where a worker does not\n' +
        'answer, the rest is listed, whose debts are missing is said, and the exit code is 6.',
    )
    .option('--credential <cloudCredRefId>', 'of this account only');
  withJson(command).action(debt);
}

async function debt({ json, credential }: Options): Promise<void> {
  const { withClient } = await import('../session.js');
  const filter = credential ? { cloudCredRefId: credential } : {};
  try {
    const debts = await withClient((client) => client.debts(filter));
    if (debts.length === 0 && !json) return say('No cleanup debt: nothing bills that should be gone.');
    show(debts, json);
  } catch (error) {
    // Half a list is worth having at three in the morning; the error says that it is one.
    if (error instanceof SlipwayError && error.details.debts) show(error.details.debts, json);
    throw error;
  }
}

function show(debts: CleanupDebt[], json?: boolean): void {
  if (json) printJson(debts);
  else if (debts.length > 0) print(table(COLUMNS, debts, terminalOf().width).join('\n'));
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
