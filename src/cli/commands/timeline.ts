import type { Command } from 'commander';
import { toIsoTime } from '../../domain/ids.js';
import { type TimelineRow, timeline } from '../../domain/instance/timeline.js';
import { why } from '../../domain/instance/why.js';
import { recall } from '../recall.js';
import { type Column, table } from '../table.js';
import { print, printJson, say, terminalOf, wrap } from '../terminal.js';
import { timeOfDay } from '../text/time.js';
import { type JsonOption, withJson } from './options.js';

/** Two ways to tell what happened: every fact in a row of its own, or one paragraph. */
export function addTimeline(program: Command): void {
  const rows = program
    .command('timeline')
    .summary('every fact: when, after how long, by whom, on what evidence')
    .description(
      'Every recorded fact of an instance’s life, with the time between, who did it, and what was seen. UTC.',
    )
    .argument('<refId>');
  withJson(rows).action(showTimeline);
  const paragraph = program
    .command('why')
    .summary('one paragraph: what happened, what it waits for, what helps')
    .description('Says in one paragraph why an instance is where it is, and what a person can do about it.')
    .argument('<refId>');
  withJson(paragraph).action(showWhy);
}

async function showTimeline(refId: string, { json }: JsonOption): Promise<void> {
  const { withClient } = await import('../session.js');
  const { events, firstSeq } = await withClient((client) => recall(client, refId));
  const rows = timeline(events);
  if (json) return printJson(rows);
  print(table(columnsFor(terminalOf().width), rows, terminalOf().width).join('\n'));
  if (firstSeq > 1) say(`Events before ${firstSeq} are no longer held by the workflow.`);
}

async function showWhy(refId: string, { json }: JsonOption): Promise<void> {
  const { withClient } = await import('../session.js');
  const { view, events } = await withClient((client) => recall(client, refId));
  const text = why(view, events, toIsoTime(Date.now()));
  if (json) return printJson({ refId, phase: view.phase, why: text });
  print(wrap(text, terminalOf().width).join('\n'));
}

function columnsFor(width: number | undefined): Column<TimelineRow>[] {
  return [
    { title: 'AT', text: ({ at }) => (width ? timeOfDay(at) : at) },
    { title: 'AFTER', text: ({ gap }) => gap },
    { title: 'BY', text: ({ actor }) => actor, min: 7 },
    { title: '#', text: ({ attempt }) => (attempt === undefined ? '' : String(attempt)) },
    { title: 'FACT', text: ({ event }) => event },
    { title: 'EVIDENCE', text: ({ evidence }) => evidence, min: 10 },
  ];
}
