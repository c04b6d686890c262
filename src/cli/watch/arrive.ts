import type { InstanceView, SlipwayClient } from '../../client/index.js';
import type { JsonOption, WaitOptions } from '../commands/options.js';
import { createDisplay } from './display.js';
import { follow } from './follow.js';
import type { Wanted } from './verdict.js';

/** Waits as the options say, showing the phases from event `fromSeq` on with --watch. JSON has stdout for itself. */
export async function arrive(
  client: SlipwayClient,
  refId: string,
  { wanted, fromSeq }: { wanted: Wanted; fromSeq: number },
  { watch, json, timeout }: WaitOptions & JsonOption,
): Promise<InstanceView> {
  const display = watch && !json ? createDisplay(fromSeq) : undefined;
  try {
    return await follow(client, refId, {
      wanted,
      timeoutMs: timeout,
      onLook: (look) => display?.show(look),
      onTrouble: (message) => display?.trouble(message),
    });
  } finally {
    display?.end();
  }
}
