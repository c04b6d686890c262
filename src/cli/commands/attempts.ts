import { type Command, Option } from 'commander';
import { formatMs } from '../../domain/duration.js';
import type { ErrorKind } from '../../domain/errors.js';
import type { AttemptOutcome, AttemptRow } from '../../journal/index.js';
import { withJournal } from '../journal.js';
import { type Column, table } from '../table.js';
import { print, printJson, say, terminalOf } from '../terminal.js';
import { type JsonOption, toCount, toMoment, withJson } from './options.js';

const OUTCOMES: readonly AttemptOutcome[] = ['open', 'unknown', 'created', 'refused', 'absent', 'failed'];

interface Options extends JsonOption {
  offer?: string;
  credential?: string;
  outcome?: AttemptOutcome;
  errorKind?: string;
  from?: string;
  to?: string;
  limit: number;
}

export function addAttempts(program: Command): void {
  const command = program
    .command('attempts')
    .summary('every attempt to create a machine, and what came of it')
    .description(
      'Attempts to create, of one instance or of all, newest first: where, what came of it, why. From the journal.',
    )
    .argument('[refId]', 'of this instance only')
    .option('--offer <offerId>', 'at this offer, as `slipway offers` names it')
    .option('--credential <cloudCredRefId>', 'with this account')
    .addOption(new Option('--outcome <what>', 'that ended like this').choices(OUTCOMES))
    .option('--error-kind <kind>', 'with this failure, such as OutOfQuota')
    .option('--from <time>', 'begun after it: 2026-03-01, 2026-03-01T09:00Z, or 30d for that long ago', toMoment)
    .option('--to <time>', 'begun before it', toMoment)
    .option('--limit <n>', 'at most this many', toLimit, 100);
  withJson(command).action(attempts);
}

/** What the journal gives at once. */
function toLimit(text: string): number {
  return Math.min(10_000, toCount(text));
}

async function attempts(refId: string | undefined, { json, offer, credential, errorKind, ...rest }: Options) {
  const query = {
    ...rest,
    ...(refId && { refId }),
    ...(offer && { offerId: offer }),
    ...(credential && { cloudCredRefId: credential }),
    ...(errorKind && { kind: errorKind as ErrorKind }),
  };
  const { rows } = await withJournal((journal) => journal.attempts(query));
  if (json) return printJson(rows);
  if (rows.length === 0) return say('No attempts.');
  print(table(COLUMNS, rows, terminalOf().width).join('\n'));
}

const COLUMNS: Column<AttemptRow>[] = [
  { title: 'AT', text: ({ at }) => at },
  { title: 'REF ID', text: ({ refId }) => refId, min: 12 },
  { title: '#', text: ({ attempt }) => String(attempt) },
  { title: 'OFFER', text: ({ offerId }) => offerId, min: 8 },
  { title: 'OUTCOME', text: ({ outcome, remembered }) => (remembered ? `${outcome}, not asked` : outcome) },
  { title: 'TOOK', text: ({ tookMs }) => (tookMs === undefined ? '-' : formatMs(tookMs)) },
  { title: 'KIND', text: ({ kind = '-' }) => kind },
  { title: 'EVIDENCE', text: ({ evidence }) => evidence || '-', min: 8 },
];
