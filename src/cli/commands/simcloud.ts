import type { Command } from 'commander';
import { untilAskedToStop } from '../signals.js';
import { print, printJson } from '../terminal.js';
import { type JsonOption, toPort, withJson } from './options.js';

interface Options extends JsonOption {
  port: number;
  data?: string;
  seed?: string;
  files?: string;
}

export function addSimcloud(program: Command): void {
  const command = program
    .command('simcloud')
    .summary('run the simulated GPU cloud alone')
    .description('Runs the simulated GPU cloud until Ctrl-C: an API over HTTP, and machines that answer SSH.')
    .option('--port <port>', 'of its API; default any free one', toPort, 0)
    .option('--data <file>', 'keep machines and ledger here; without it all is gone at the end')
    .option('--seed <text>', 'ids follow from it')
    .option('--files <folder>', 'write there what a worker and a first request need');
  withJson(command).action(simcloud);
}

async function simcloud({ port, data, seed, files, json }: Options): Promise<void> {
  const { DEFAULT_ACCOUNT, startSimcloud } = await import('../../simcloud/index.js');
  const asked = untilAskedToStop();
  const cloud = await startSimcloud({ port, dataFile: data, seed });
  const apiUrl = `${cloud.url}/sim/v1`;
  const { apiKey } = DEFAULT_ACCOUNT;
  if (files !== undefined) await writeFiles(files, cloud.url, apiKey);
  if (json) printJson({ url: cloud.url, apiUrl, apiKey, control: `${cloud.url}/_control` });
  else {
    const lines = [
      `Simcloud is at ${cloud.url}. Ctrl-C stops it.`,
      '',
      'A credential for it, in the file that SLIPWAY_CREDENTIALS names:',
      '  [{ "cloudCredRefId": "sim-main", "provider": "sim",',
      `     "apiUrl": "${apiUrl}", "apiKey": "${apiKey}" }]`,
      '',
      `Its control plane (ledger, stock, quota, faults): ${cloud.url}/_control`,
    ];
    print(lines.join('\n'));
  }
  await asked;
  await cloud.stop();
}

/** As `slipway dev` makes them: credentials, two key pairs, a request. Keys and request stay as they are, once made. */
async function writeFiles(folder: string, url: string, apiKey: string): Promise<void> {
  const [{ devFiles }, { makeFiles, writeCredentials }] = await Promise.all([
    import('../dev/home.js'),
    import('../dev/files.js'),
  ]);
  const files = devFiles(folder);
  await makeFiles(files);
  await writeCredentials(files, url, apiKey);
}
