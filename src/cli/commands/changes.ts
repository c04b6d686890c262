import { type Command, InvalidArgumentError } from 'commander';
import type { CommandInputs, FirewallRules } from '../../client/index.js';
import { SIZE_UNITS, type Size, type SizeUnit } from '../../domain/size.js';
import { BadInput } from '../failure.js';
import { readJsonFile } from '../json-file.js';
import { type JsonOption, type OrderOptions, withJson, withStamp } from './options.js';
import { printRecorded } from './outcome.js';

type Options = JsonOption & OrderOptions;
type Change = 'setFirewallRules' | 'updateTags' | 'changeInstanceType' | 'resizeVolume';

/** Changes of an instance that lives on. */
export function addChanges(program: Command): void {
  declare(program, 'set-firewall', 'replace the firewall rules of an instance')
    .requiredOption('-f, --file <path>', '{ "ingressRules": […], "egressRules": […] } as JSON; - for stdin')
    .action(async (refId: string, { file, ...options }: Options & { file: string }) => {
      const firewallRules = (await readJsonFile(file)) as Partial<FirewallRules>;
      await send(refId, 'setFirewallRules', 'set-firewall', { firewallRules }, options);
    });

  declare(program, 'tag', 'replace the tags of an instance')
    .argument('<key=value...>', 'all the tags it shall have')
    .action(async (refId: string, pairs: string[], options: Options) => {
      await send(refId, 'updateTags', 'tag', { tags: toTags(pairs) }, options);
    });

  declare(program, 'change-type', 'give a stopped instance another instance type')
    .argument('<instanceType>')
    .action(async (refId: string, instanceType: string, options: Options) => {
      await send(refId, 'changeInstanceType', 'change-type', { instanceType }, options);
    });

  declare(program, 'resize-volume', 'make the disk of an instance larger')
    .argument('<size>', 'such as 200GiB', toSize)
    .action(async (refId: string, size: Size, options: Options) => {
      await send(refId, 'resizeVolume', 'resize-volume', { size }, options);
    });
}

function declare(program: Command, name: string, summary: string): Command {
  const command = program.command(name).summary(summary).argument('<refId>');
  command.description(`${summary[0]?.toUpperCase()}${summary.slice(1)}. Returns once that is recorded.`);
  return withJson(withStamp(command));
}

async function send<Name extends Change>(
  refId: string,
  name: Name,
  word: string,
  change: Omit<CommandInputs[Name], keyof OrderOptions>,
  { requestId, actor, json }: Options,
): Promise<void> {
  const { withClient } = await import('../session.js');
  const input = { ...change, requestId, actor } as CommandInputs[Name];
  printRecorded(refId, word, await withClient((client) => client.command(refId, name, input)), json);
}

function toTags(pairs: readonly string[]): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1)
      throw new BadInput(`tags: ${pair} is not key=value.`, [{ path: 'tags', message: `${pair} is not key=value` }]);
    tags[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return tags;
}

function toSize(text: string): Size {
  const [, value, unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)\s*([A-Za-z]+)$/.exec(text) ?? [];
  if (value === undefined || !Object.hasOwn(SIZE_UNITS, unit)) {
    throw new InvalidArgumentError(`Write a number and a unit, one of ${Object.keys(SIZE_UNITS).join(', ')}.`);
  }
  return { value: Number(value), unit: unit as SizeUnit };
}
