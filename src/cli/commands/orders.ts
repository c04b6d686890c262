import type { Command } from 'commander';
import type { InstanceView } from '../../client/index.js';
import { print, printJson } from '../terminal.js';
import { sshCommand } from '../text/view.js';
import type { Wanted } from '../watch/verdict.js';
import { type JsonOption, type OrderOptions, type WaitOptions, withJson, withStamp, withWaiting } from './options.js';
import { printRecorded } from './outcome.js';

type Options = JsonOption & OrderOptions & WaitOptions & { reason?: string };

/** Five commands that differ by a word: they share a file, since they share all the rest. */
const ORDERS: Record<'stop' | 'start' | 'reboot' | 'terminate' | 'retry', { summary: string; wanted: Wanted }> = {
  stop: { summary: 'stop an instance; its disk stays, and bills', wanted: 'stopped' },
  start: { summary: 'start a stopped instance', wanted: 'ready' },
  reboot: { summary: 'reboot an instance', wanted: 'ready' },
  terminate: { summary: 'end an instance for good; done once its machine is proved gone', wanted: 'terminated' },
  retry: { summary: 'try a parked instance again, or a deletion that hangs', wanted: 'ready' },
};

export function addOrders(program: Command): void {
  for (const [name, { summary, wanted }] of Object.entries(ORDERS)) {
    const command = program
      .command(name)
      .summary(summary)
      .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}. Returns once that is recorded, unless it waits.`)
      .argument('<refId>');
    if (name === 'terminate') command.option('--reason <text>', 'why: recorded');
    const act = (refId: string, options: Options) => order(name as keyof typeof ORDERS, refId, options);
    withJson(withWaiting(withStamp(command), wanted)).action(act);
  }
}

async function order(name: keyof typeof ORDERS, refId: string, options: Options): Promise<void> {
  const { requestId, actor, reason, json, watch, wait } = options;
  const [{ withClient }, { arrive }] = await Promise.all([import('../session.js'), import('../watch/arrive.js')]);
  await withClient(async (client) => {
    const recorded = await client.command(refId, name, { requestId, actor, ...(reason && { reason }) });
    if (!watch && !wait) return printRecorded(refId, name, recorded, json);
    if (!json) printRecorded(refId, name, recorded, json);
    // A retry of a deletion leads to its end, not back to life.
    const wanted = name === 'retry' ? wantedBy(await client.describe(refId)) : ORDERS[name].wanted;
    const instance = await arrive(client, refId, { wanted, fromSeq: recorded.seq }, options);
    if (json) printJson({ refId, ...recorded, instance });
    else print(wanted === 'ready' ? `Ready: ${sshCommand(instance)}` : `${refId} is ${instance.phase}.`);
  });
}

function wantedBy({ desired }: InstanceView): Wanted {
  return desired === 'running' ? 'ready' : desired;
}
