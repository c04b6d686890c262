import type { Command } from 'commander';
import { readEventSource } from '../../config/event-source.js';
import type { DeadLetter, Journal } from '../../journal/index.js';
import { BadInput } from '../failure.js';
import { withJournal } from '../journal.js';
import { untilAskedToStop } from '../signals.js';
import { type Column, table } from '../table.js';
import { print, printJson, say, terminalOf } from '../terminal.js';
import { type JsonOption, toCount, withJson } from './options.js';

interface DeadLetterOptions extends JsonOption {
  endpoint?: string;
  retry?: string[];
  all?: boolean;
  limit: number;
}

/** Tells other services what happens, and what became of what they did not take. */
export function addWebhooks(program: Command): void {
  const webhooks = program
    .command('webhooks')
    .summary('tell other services what happens, by signed HTTP requests')
    .description('Sends the journal’s events to the endpoints that SLIPWAY_WEBHOOKS names, as docs/journal.md says.');
  webhooks
    .command('run')
    .summary('deliver until it is stopped')
    .description(
      [
        'Delivers every event to every endpoint until SIGTERM or Ctrl-C. Several may run: one at a time delivers to an',
        'endpoint, and another takes over when it dies. Its log is JSON lines on stderr.',
        '',
        'Configured by the environment:',
        '  SLIPWAY_JOURNAL_URL  where the journal is; needed',
        '  SLIPWAY_WEBHOOKS     file: [{ "id", "url", "secret": { "env": "NAME" }, … }]; needed',
        '  SLIPWAY_EVENT_SOURCE what events name as their source; default /slipway',
        '  SLIPWAY_LOG_LEVEL    default info',
      ].join('\n'),
    )
    .option('--tries <n>', 'give a delivery up after so many; default 30, which is about four hours', toCount)
    .action(runWebhooks);
  withJson(
    webhooks
      .command('dead-letters')
      .summary('what was given up, and a second chance for it')
      .description(
        'Deliveries that were given up after their last try, oldest first. With --retry they are sent again by whoever\n' +
          'runs `slipway webhooks run`; later events of the same instance may have arrived before them.',
      )
      .option('--endpoint <id>', 'of this endpoint only')
      .option('--retry <id...>', 'send these again: ids as they are listed, such as main/42')
      .option('--all', 'send all again, or all of one endpoint')
      .option('--limit <n>', 'list at most this many', toCount, 100),
  ).action(deadLetters);
}

async function runWebhooks({ tries }: { tries?: number }): Promise<void> {
  const [{ readWebhooks, startWebhooks }, { createLogger, LOG_LEVELS }, { ConfigError }] = await Promise.all([
    import('../../journal/index.js'),
    import('../../logging.js'),
    import('../../config.js'),
  ]);
  const issues: string[] = [];
  const endpoints = readWebhooks(process.env, (where, message) => issues.push(`${where}: ${message}`));
  const source = readEventSource(process.env, (where, message) => issues.push(`${where}: ${message}`));
  const level = LOG_LEVELS.find((one) => one === (process.env.SLIPWAY_LOG_LEVEL?.trim() || 'info'));
  if (!level) issues.push(`SLIPWAY_LOG_LEVEL: must be one of ${LOG_LEVELS.join(', ')}`);
  if (!level || issues.length > 0) throw new ConfigError(issues);
  if (endpoints.length === 0) throw new BadInput('Nobody to tell: SLIPWAY_WEBHOOKS names no endpoint.');
  const asked = untilAskedToStop();
  const logger = createLogger({ level, name: 'webhooks' });
  await withJournal(async (journal) => {
    const options = { ...(source !== undefined && { source }), ...(tries !== undefined && { retries: { tries } }) };
    const sink = startWebhooks(journal, { endpoints, log: logger, ...options });
    logger.info({ endpoints: endpoints.map(({ id }) => id), journal: journal.where }, 'Webhooks are delivered');
    logger.info({ signal: await asked }, 'Webhooks were asked to stop');
    await sink.close();
  });
  logger.info('Webhooks have stopped');
}

async function deadLetters({ endpoint, retry = [], all, limit, json }: DeadLetterOptions): Promise<void> {
  if (retry.length > 0 && all) throw new BadInput('--retry or --all, not both.');
  await withJournal(async (journal) => {
    if (retry.length > 0 || all) {
      const retried = all ? await retryAll(journal, endpoint) : await retrySome(journal, retry.map(toPlace));
      if (json) printJson({ retried });
      else print(`${retried} ${retried === 1 ? 'delivery is' : 'deliveries are'} in line again.`);
      return;
    }
    const letters = await journal.webhooks.deadLetters({ limit, ...(endpoint !== undefined && { endpoint }) });
    if (json) return printJson(letters.map((letter) => ({ id: idOf(letter), ...letter })));
    if (letters.length === 0) return say('No dead letters: whatever was sent arrived, or is tried again.');
    print(table(COLUMNS, letters, terminalOf().width).join('\n'));
  });
}

async function retryAll({ webhooks }: Journal, endpoint: string | undefined): Promise<number> {
  const endpoints = endpoint === undefined ? (await webhooks.cursors()).map((cursor) => cursor.endpoint) : [endpoint];
  let retried = 0;
  for (const one of endpoints) retried += await webhooks.replay(one);
  return retried;
}

/** @throws {BadInput} for one that is no dead letter; those before it are in line again. */
async function retrySome({ webhooks }: Journal, places: readonly Place[]): Promise<number> {
  for (const { endpoint, position } of places) {
    const found = await webhooks.replay(endpoint, [position]);
    if (found === 0) throw new BadInput(`${endpoint}/${position} is no dead letter.`);
  }
  return places.length;
}

type Place = Pick<DeadLetter, 'endpoint' | 'position'>;

function idOf({ endpoint, position }: Place): string {
  return `${endpoint}/${position}`;
}

function toPlace(id: string): Place {
  const [, endpoint = '', position = ''] = /^([^/]+)\/(\d{1,15})$/.exec(id) ?? [];
  if (endpoint === '') throw new BadInput(`${id} is no dead letter’s id: such as main/42, as they are listed.`);
  return { endpoint, position: Number(position) };
}

const COLUMNS: Column<DeadLetter>[] = [
  { title: 'ID', text: idOf, min: 8 },
  { title: 'REF ID', text: ({ refId }) => refId, min: 12 },
  { title: 'GIVEN UP', text: ({ at }) => at },
  { title: 'TRIES', text: ({ tries }) => String(tries) },
  { title: 'LAST ERROR', text: ({ lastError }) => lastError, min: 8 },
];
