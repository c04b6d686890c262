import type { Command } from 'commander';
import { type JsonOption, type OrderOptions, toCount, withJson, withStamp } from './options.js';
import { printRecorded } from './outcome.js';

type Options = JsonOption & OrderOptions & { reason: string; cloudId?: string; attempt?: number };

export function addRelease(program: Command): void {
  const command = program
    .command('release')
    .summary('let go of what cannot be proved gone')
    .description(
      'Closes a cleanup debt on your word: Slipway stops trying to delete that machine. Or a create whose outcome is ' +
        'unknown: it counts as absent, and Slipway stops looking for what it made. Reason and actor are recorded.',
    )
    .argument('<refId>')
    .requiredOption('--reason <text>', 'why it may be let go')
    .option('--cloud-id <id>', 'which machine, when something else is open')
    .option('--attempt <number>', 'which create, when something else is open', toCount);
  withJson(withStamp(command)).action(release);
}

async function release(refId: string, { json, ...input }: Options): Promise<void> {
  const { withClient } = await import('../session.js');
  printRecorded(refId, 'release', await withClient((client) => client.release(refId, input)), json);
}
