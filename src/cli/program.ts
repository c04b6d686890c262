import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addAttempts } from './commands/attempts.js';
import { addChanges } from './commands/changes.js';
import { addConformance } from './commands/conformance.js';
import { addDebt } from './commands/debt.js';
import { addDemo } from './commands/demo.js';
import { addDev } from './commands/dev.js';
import { addEvents } from './commands/events.js';
import { addHealth } from './commands/health.js';
import { addJournal } from './commands/journal.js';
import { addLs } from './commands/ls.js';
import { addOffers } from './commands/offers.js';
import { addOrders } from './commands/orders.js';
import { addPrepare } from './commands/prepare.js';
import { addProvision } from './commands/provision.js';
import { addRelease } from './commands/release.js';
import { addReplay } from './commands/replay.js';
import { addShow } from './commands/show.js';
import { addSimcloud } from './commands/simcloud.js';
import { addTimeline } from './commands/timeline.js';
import { addUsage } from './commands/usage.js';
import { addWebhooks } from './commands/webhooks.js';
import { addWorker } from './commands/worker.js';
import { EXIT_HELP } from './exit-codes.js';

const COMMANDS = [
  addProvision,
  addShow,
  addEvents,
  addTimeline,
  addLs,
  addDebt,
  addUsage,
  addAttempts,
  addOffers,
  addOrders,
  addChanges,
  addRelease,
  addWorker,
  addHealth,
  addPrepare,
  addReplay,
  addJournal,
  addWebhooks,
  addSimcloud,
  addConformance,
  addDev,
  addDemo,
];

/** The whole command line. It parses and prints; what may be done is decided by whoever it talks to. */
export function createProgram(): Command {
  const program = new Command('slipway')
    .description('Rented GPU machines, each with one life: provisioned, watched, stopped, started, gone.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .exitOverride();
  for (const add of COMMANDS) add(program);
  for (const command of allCommands(program)) command.addHelpText('after', EXIT_HELP);
  return program;
}

/** The program, its commands and theirs. */
export function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}
