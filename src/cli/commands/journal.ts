import type { Command } from 'commander';
import type { WorkflowComparison } from '../../client/index.js';
import type { Journal, Verified } from '../../journal/index.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { requireJournalUrl, withJournal } from '../journal.js';
import { print, printJson } from '../terminal.js';
import { type JsonOption, toDuration, withJson } from './options.js';

interface VerifyOptions extends JsonOption {
  workflows?: boolean;
  patience?: number;
}

/** What an operator does to the journal itself. */
export function addJournal(program: Command): void {
  const journal = program
    .command('journal')
    .summary('the journal itself: migrate, rebuild, verify')
    .description('Cares for the journal that SLIPWAY_JOURNAL_URL names: events that outlive Temporal’s retention.');
  withJson(
    journal
      .command('migrate')
      .summary('bring its tables to this version')
      .description(
        'Brings the tables to this version of Slipway. May be run again, and by several at once; there is no way back.',
      ),
  ).action(migrate);
  withJson(
    journal
      .command('rebuild')
      .summary('write what is read from it anew, from its events')
      .description('Writes every read model anew from the events. Others may append and read meanwhile.'),
  ).action(rebuild);
  withJson(
    journal
      .command('verify')
      .summary('compare what is read from it with its events')
      .description(
        'Folds every instance’s events and compares the read models with the result. Changes nothing; exits with 1 if\n' +
          'anything differs.',
      )
      .option('--workflows', 'also with what each workflow says, open and closed; needs a worker')
      .option('--patience <duration>', 'look this long again at one that differs; default 60s', toDuration),
  ).action(verify);
}

async function migrate({ json }: JsonOption): Promise<void> {
  const url = requireJournalUrl();
  const { migrateJournal } = await import('../../journal/index.js');
  const { from, to } = await migrateJournal(url);
  if (json) return printJson({ from, to });
  print(
    from === to ? `The journal is at schema version ${to} already.` : `The journal went from schema ${from} to ${to}.`,
  );
}

async function rebuild({ json }: JsonOption): Promise<void> {
  await withJournal(async (journal) => {
    const { instances, events } = await journal.rebuild();
    if (json) printJson({ instances, events });
    else print(`Rebuilt from ${events} events of ${instances} instances, at ${journal.where}.`);
  });
}

async function verify({ json, workflows, patience }: VerifyOptions): Promise<void> {
  await withJournal(async (journal) => {
    const verified = await journal.verify();
    const compared = workflows ? await compareAll(journal, patience) : undefined;
    if (json) printJson({ ...verified, ...(compared && { workflows: compared }) });
    else print([...modelLines(verified), ...(compared ? workflowLines(compared) : [])].join('\n'));
    process.exitCode = exitCodeOf(verified, compared);
  });
}

/** A difference is a bug of ours, or somebody else's hand in the tables. Who did not answer may differ or not. */
function exitCodeOf(verified: Verified, compared: WorkflowComparison | undefined): ExitCode {
  if (verified.differences.length + (compared?.differences.length ?? 0) > 0) return EXIT.bug;
  return compared && compared.unanswered.length > 0 ? EXIT.unreachable : EXIT.done;
}

async function compareAll(journal: Journal, patienceMs: number | undefined): Promise<WorkflowComparison> {
  const [{ withClient }, { compareWithWorkflows }] = await Promise.all([
    import('../session.js'),
    import('../../client/compare.js'),
  ]);
  return await withClient((client) =>
    compareWithWorkflows(client, journal, patienceMs === undefined ? {} : { patienceMs }),
  );
}

function modelLines({ instances, events, differences }: Verified): string[] {
  const seen = `${events} events of ${instances} instances`;
  if (differences.length === 0) return [`${seen}: the read models are what they amount to.`];
  return [
    `${seen}: the read models differ in ${differences.length} places; slipway journal rebuild writes them anew.`,
    ...differences.map(
      ({ refId, model, what }) => `  ${refId}  ${model}: ${what.map((path) => path || 'all').join(', ')}`,
    ),
  ];
}

function workflowLines({ compared, forgotten, rejected, unanswered, differences }: WorkflowComparison): string[] {
  const beside = [
    forgotten > 0 && `${forgotten} that Temporal has forgotten`,
    rejected > 0 && `${rejected} requests that were refused`,
  ].filter(Boolean);
  const others = beside.length > 0 ? ` (beside ${beside.join(' and ')})` : '';
  const silent = unanswered.map((refId) => `  ${refId}  did not answer: is a worker running?`);
  if (differences.length === 0) return [`${compared} workflows${others} say the same as the journal.`, ...silent];
  return [
    `${compared} workflows${others}: they and the journal differ in ${differences.length} places.`,
    ...differences.map(({ refId, seq, field, what }) => `  ${refId}/${seq}  ${field}: ${what}`),
    ...silent,
  ];
}
