import type { Command } from 'commander';
import { toHealthAddress, toHealthUrl } from '../../health.js';
import { EXIT } from '../exit-codes.js';
import { BadInput } from '../failure.js';
import { print, say } from '../terminal.js';

/** Shorter than a HEALTHCHECK's own timeout: its user reads our sentence, not that it was killed. */
const ANSWER_WITHIN_MS = 4_000;

export function addHealth(program: Command): void {
  program
    .command('health')
    .summary('ask the worker beside us whether it works')
    .description(
      [
        'Asks the worker that answers at SLIPWAY_HEALTH_ADDRESS whether it takes work. Ends with 0 if it does: its',
        'pollers are at it and Temporal answers it. With 5 if it does not, or if nobody answers.',
      ].join('\n'),
    )
    .option('--url <url>', 'ask there instead; any answer of 2xx is a yes')
    .action(health);
}

async function health({ url }: { url?: string }): Promise<void> {
  const asked = url ?? ownUrl(process.env.SLIPWAY_HEALTH_ADDRESS?.trim());
  try {
    const answer = await fetch(asked, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    const text = url === undefined ? (await answer.text()).trim() : `${asked} answered ${answer.status}`;
    if (answer.ok) return print(text);
    say(text);
  } catch {
    say(`Nothing answers at ${asked}.`);
  }
  process.exitCode = EXIT.failed;
}

function ownUrl(text: string | undefined): string {
  if (!text) throw new BadInput('SLIPWAY_HEALTH_ADDRESS is not set: it says where the worker answers.');
  const address = toHealthAddress(text);
  if (!address) throw new BadInput('SLIPWAY_HEALTH_ADDRESS must be host:port, or a port.');
  return toHealthUrl(address, '/ready');
}
