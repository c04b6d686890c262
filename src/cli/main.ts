#!/usr/bin/env node
import { CommanderError } from 'commander';
import { EXIT } from './exit-codes.js';
import { BadInput, toFailure, toText } from './failure.js';
import { allCommands, createProgram } from './program.js';
import { endQuietlyOnClosedPipe, say } from './terminal.js';

/** Runs one command and sets the exit code. Nothing is cut off: the process ends when its last byte is written. */
async function main(argv: readonly string[]): Promise<void> {
  endQuietlyOnClosedPipe();
  const json = argv.includes('--json');
  const program = createProgram();
  if (json) for (const command of allCommands(program)) command.configureOutput({ outputError: () => {} });
  try {
    await program.parseAsync(argv as string[]);
  } catch (error) {
    if (error instanceof CommanderError) return endOfParsing(error, json);
    report(error, json);
  }
}

/** Commander has printed its help or complaint by now, unless JSON was asked for. */
function endOfParsing(error: CommanderError, json: boolean): void {
  if (error.exitCode === 0) return;
  process.exitCode = EXIT.badInput;
  if (json) report(new BadInput(error.message.replace(/^error: /, '')), json);
}

function report(error: unknown, json: boolean): void {
  const failure = toFailure(error);
  const { exitCode, ...rest } = failure;
  process.exitCode = exitCode;
  say(json ? JSON.stringify({ error: rest }) : toText(failure, error));
}

await main(process.argv);
