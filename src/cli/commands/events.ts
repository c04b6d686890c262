import type { Command } from 'commander';
import { timeline } from '../../domain/instance/timeline.js';
import { BadInput } from '../failure.js';
import { table } from '../table.js';
import { print, printJson, say, terminalOf } from '../terminal.js';
import { timeOfDay } from '../text/time.js';
import { type JsonOption, toCount, toPosition, withJson } from './options.js';

interface Options extends JsonOption {
  from: number;
  follow?: boolean;
  after?: number;
}

export function addEvents(program: Command): void {
  const command = program
    .command('events')
    .summary('what happened to an instance, or happens to any')
    .description(
      'Every recorded fact about an instance, oldest first. Times are UTC. With --follow those of all instances, or of\n' +
        'one, from the journal and as they happen: a line each, with --json a CloudEvent a line. Its `sequence` is the\n' +
        'position to go on after.',
    )
    .argument('[refId]', 'not needed with --follow')
    .option('--from <seq>', 'from this event on', toCount, 1)
    .option('--follow', 'go on until Ctrl-C; reads the journal that SLIPWAY_JOURNAL_URL names')
    .option('--after <position>', 'with --follow: what comes after this position; default from the first', toPosition);
  withJson(command).action(events);
}

async function events(refId: string | undefined, { from, json, follow, after }: Options): Promise<void> {
  if (follow) {
    const { followJournal } = await import('../follow-journal.js');
    return await followJournal({ after: after ?? 0, ...(json && { json }), ...(refId !== undefined && { refId }) });
  }
  if (after !== undefined) throw new BadInput('--after needs --follow: positions are the journal’s.');
  if (refId === undefined) throw new BadInput('refId is missing: whose events? Those of all come with --follow.');
  const { withClient } = await import('../session.js');
  const page = await withClient((client) => client.events(refId, from));
  if (json) return printJson(page);
  const { width } = terminalOf();
  const lines = table(
    [
      { title: 'SEQ', text: ({ seq }) => String(seq) },
      { title: 'AT', text: ({ at }) => (width ? timeOfDay(at) : at) },
      { title: 'BY', text: ({ actor }) => actor, min: 7 },
      { title: '#', text: ({ attempt }) => (attempt === undefined ? '' : String(attempt)) },
      { title: 'EVENT', text: ({ event }) => event },
      { title: 'EVIDENCE', text: ({ evidence }) => evidence, min: 10 },
    ],
    timeline(page.events),
    width,
  );
  print(lines.join('\n'));
  if (page.firstSeq > from) say(`Events before ${page.firstSeq} are no longer held by the workflow.`);
}
