import { type Command, InvalidArgumentError } from 'commander';
import type { ConformanceOptions } from '../conformance/command.js';

export function addConformance(program: Command): void {
  program
    .command('conformance')
    .summary('prove that a provider does what Slipway needs')
    .argument('<cloudCredRefId>', 'the account, as the file of SLIPWAY_CREDENTIALS names it')
    .description(
      'Rents a machine in the account, tries everything that Slipway needs of a provider, and ends what it made, also on\n' +
        'Ctrl-C; what a run that crashed has left, the next one finds. Shows what it costs, and asks before it rents.',
    )
    .option('--location <name>', 'rent there; default: wherever it is cheapest')
    .option('--instance-type <name>', 'rent this; default: the cheapest in stock, x86_64 first')
    .option('--max-price <amount>', 'rent nothing that costs more an hour, in the provider’s currency', toAmount)
    .option('--only <ids>', 'these checks or groups alone, such as types,firewall.shut', toList)
    .option('--skip <ids>', 'all but these, such as k8s,docker', toList)
    .option('--json <file>', 'write the report as JSON; errors of the command become JSON, too')
    .option('--junit <file>', 'write the report as JUnit XML')
    .option('--yes', 'do not ask; needed where nobody can answer')
    .addHelpText('after', '\nHere: 0 all passed, or skipped for a reason; 1 a check failed, and is named.')
    .action(async (cloudCredRefId: string, options: ConformanceOptions) => {
      const { conformance } = await import('../conformance/command.js');
      process.exitCode = await conformance(cloudCredRefId, options);
    });
}

function toAmount(text: string): string {
  if (!/^\d{1,9}(?:\.\d{1,6})?$/.test(text)) throw new InvalidArgumentError('An amount such as 2.50.');
  return text;
}

function toList(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.some((name) => name === '')) throw new InvalidArgumentError('Names with commas between them.');
  return names;
}
