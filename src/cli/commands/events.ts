import type { Command } from 'commander';
import { table } from '../table.js';
import { print, printJson, say, terminalOf } from '../terminal.js';
import { eventDetail } from '../text/event.js';
import { timeOfDay } from '../text/time.js';
import { type JsonOption, toCount, withJson } from './options.js';

interface Options extends JsonOption {
  from: number;
}

export function addEvents(program: Command): void {
  const command = program
    .command('events')
    .summary('what happened to an instance')
    .description('Every recorded fact about an instance, oldest first. Times are UTC.')
    .argument('<refId>')
    .option('--from <seq>', 'from this event on', toCount, 1);
  withJson(command).action(events);
}

async function events(refId: string, { from, json }: Options): Promise<void> {
  const { withClient } = await import('../session.js');
  const page = await withClient((client) => client.events(refId, from));
  if (json) return printJson(page);
  const { width } = terminalOf();
  const lines = table(
    [
      { title: 'SEQ', text: ({ seq }) => String(seq) },
      { title: 'AT', text: ({ at }) => (width ? timeOfDay(at) : at) },
      { title: 'EVENT', text: ({ type }) => type },
      { title: 'DETAIL', text: eventDetail, min: 10 },
    ],
    page.events,
    width,
  );
  print(lines.join('\n'));
  if (page.firstSeq > from) say(`Events before ${page.firstSeq} are no longer held by the workflow.`);
}
