import type { DevState } from './home.js';

/** What a person who has just started `dev` wants to know. */
export function welcome({ ui, address, taskQueue, simcloud }: DevState, folder: string, isReturn: boolean): string {
  return `
Slipway is here${isReturn ? ' again, with every instance of before' : ''}. Ctrl-C stops it; ${folder}/ keeps it.

  Temporal UI  ${ui}
  Temporal     ${address}, task queue ${taskQueue}
  Simcloud     ${simcloud}
  Logs         ${folder}/worker.log, ${folder}/temporal.log

Try in another terminal, in this folder:

  npx slipway provision -f ${folder}/request.json --watch
  npx slipway show trainer-1
  npx slipway events trainer-1
  npx slipway stop trainer-1 --watch
  npx slipway start trainer-1 --watch
  npx slipway ls
  npx slipway terminate trainer-1 --watch

\`show\` says how to log in; add -i ${folder}/id_ed25519. Another instance:
--ref-id trainer-2. Edit ${folder}/request.json as you like.
`;
}
