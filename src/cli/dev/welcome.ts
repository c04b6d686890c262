import { invocation } from '../invocation.js';
import type { DevState } from './home.js';

/** What a person who has just started `dev` wants to know. */
export function welcome({ ui, address, taskQueue, simcloud }: DevState, folder: string, isReturn: boolean): string {
  const slipway = invocation();
  return `
Slipway is here${isReturn ? ' again, with every instance of before' : ''}. Ctrl-C stops it; ${folder}/ keeps it.

  Temporal UI  ${ui}
  Temporal     ${address}, task queue ${taskQueue}
  Simcloud     ${simcloud}
  Logs         ${folder}/worker.log, ${folder}/temporal.log

Try in another terminal, in this folder:

  ${slipway} provision -f ${folder}/request.json --watch
  ${slipway} show trainer-1
  ${slipway} events trainer-1
  ${slipway} stop trainer-1 --watch
  ${slipway} start trainer-1 --watch
  ${slipway} ls
  ${slipway} terminate trainer-1 --watch

\`show\` says how to log in; add -i ${folder}/id_ed25519. Another instance:
--ref-id trainer-2. Edit ${folder}/request.json as you like.
`;
}
