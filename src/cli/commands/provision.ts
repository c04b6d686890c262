import type { Command } from 'commander';
import type { InstanceRequestInput } from '../../client/index.js';
import { readJsonFile } from '../json-file.js';
import { print, printJson } from '../terminal.js';
import { sshCommand } from '../text/view.js';
import { type JsonOption, type WaitOptions, withJson, withWaiting } from './options.js';

interface Options extends JsonOption, WaitOptions {
  file: string;
  refId?: string;
  name?: string;
}

export function addProvision(program: Command): void {
  const command = program
    .command('provision')
    .summary('ask for an instance')
    .description('Asks for an instance. The same request twice is one instance: it goes on where it stands.')
    .requiredOption('-f, --file <path>', 'the request as JSON; - for stdin')
    .option('--ref-id <id>', 'instead of the refId in the file')
    .option('--name <name>', 'instead of the name in the file');
  withJson(withWaiting(command, 'ready')).action(provision);
}

async function provision(options: Options): Promise<void> {
  const request = await readRequest(options);
  const [{ withClient }, { arrive }] = await Promise.all([import('../session.js'), import('../watch/arrive.js')]);
  await withClient(async (client) => {
    const provisioned = await client.provision(request);
    const { refId, started } = provisioned;
    const waits = options.watch || options.wait;
    if (!options.json) print(started ? `${refId} is requested.` : `${refId} was requested before; it goes on.`);
    if (!waits) {
      if (options.json) printJson(provisioned);
      else print(`See it with: slipway show ${refId}`);
      return;
    }
    const instance = await arrive(client, refId, { wanted: 'ready', fromSeq: 1 }, options);
    if (options.json) printJson({ ...provisioned, instance });
    else print(`Ready: ${sshCommand(instance)}`);
  });
}

/** Whether it is a valid request is for the client to say, with every issue. */
async function readRequest({ file, refId, name }: Options): Promise<InstanceRequestInput> {
  const content = await readJsonFile(file);
  if (typeof content !== 'object' || content === null || Array.isArray(content)) return content as InstanceRequestInput;
  return { ...content, ...(refId && { refId }), ...(name && { name }) } as InstanceRequestInput;
}
