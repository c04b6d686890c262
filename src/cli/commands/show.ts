import type { Command } from 'commander';
import { print, printJson, terminalOf } from '../terminal.js';
import { viewLines } from '../text/view.js';
import { type JsonOption, withJson } from './options.js';

export function addShow(program: Command): void {
  const command = program
    .command('show')
    .summary('where an instance stands, and why')
    .description('Where an instance stands, what it waits for, how to reach it, and what went wrong if anything did.')
    .argument('<refId>');
  withJson(command).action(show);
}

async function show(refId: string, { json }: JsonOption): Promise<void> {
  const { withClient } = await import('../session.js');
  const view = await withClient((client) => client.describe(refId));
  if (json) printJson(view);
  else print(viewLines(view, terminalOf()).join('\n'));
}
