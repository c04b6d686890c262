import type { Recorded } from '../../client/index.js';
import { print, printJson } from '../terminal.js';

/** What a command came to: its intent is recorded, or it is so already. */
export function printRecorded(refId: string, name: string, recorded: Recorded, json: boolean | undefined): void {
  const { result, phase } = recorded;
  if (json) printJson({ refId, ...recorded });
  else
    print(
      result === 'already'
        ? `${refId}: nothing to ${name}, it is so already (${phase}).`
        : `${refId}: ${name} is recorded (${phase}).`,
    );
}
