import type { Command } from 'commander';
import type { InstanceRequestInput } from '../../client/index.js';
import { requestIssues } from '../../domain/instance/request.js';
import { BadInput } from '../failure.js';
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

/** The client asks the same validator; asked here too, a bad file is told without a server. */
async function readRequest({ file, refId, name }: Options): Promise<InstanceRequestInput> {
  const content = await readJsonFile(file);
  const isObject = typeof content === 'object' && content !== null && !Array.isArray(content);
  const request = isObject ? { ...content, ...(refId && { refId }), ...(name && { name }) } : content;
  const issues = requestIssues(request);
  if (issues.length > 0) throw new BadInput('The request is not valid.', issues);
  return request as InstanceRequestInput;
}
