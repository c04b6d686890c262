import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../../domain/duration.js';
import { print } from '../terminal.js';

const DAY = 86_400_000;
const THIRTY_DAYS = 30 * DAY;

export function addPrepare(program: Command): void {
  program
    .command('prepare')
    .summary('make the namespace and search attributes on Temporal')
    .description(
      [
        'Makes what Slipway needs on the Temporal server that TEMPORAL_ADDRESS names: the namespace of',
        'TEMPORAL_NAMESPACE, if there is none, and our search attributes in it. May be run again, and by several at once;',
        'what is there stays as it is. Ends when workers may start.',
      ].join('\n'),
    )
    .addOption(
      new Option('--retention <duration>', 'how long a new namespace keeps closed instances')
        .argParser(toRetention)
        .default(THIRTY_DAYS, '30d'),
    )
    .action(prepare);
}

async function prepare({ retention }: { retention: number }): Promise<void> {
  const [{ findServer }, { connectClient }, { ensureNamespace }, { ensureSearchAttributes }] = await Promise.all([
    import('../server.js'),
    import('../../temporal/connection.js'),
    import('../../temporal/namespace.js'),
    import('../../temporal/search-attributes.js'),
  ]);
  const server = findServer();
  const { namespace } = server;
  const { connection } = await connectClient(server);
  try {
    const isNew = await ensureNamespace(connection, namespace, retention);
    await ensureSearchAttributes(connection, namespace);
    print(`Namespace ${namespace} ${isNew ? 'was made' : 'is there'}, with our search attributes.`);
  } finally {
    await connection.close();
  }
}

function toRetention(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < DAY) throw new InvalidArgumentError('Write 72h or 30d; at least a day.');
  return ms;
}
