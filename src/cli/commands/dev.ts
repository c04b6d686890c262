import type { Command } from 'commander';

export function addDev(program: Command): void {
  program
    .command('dev')
    .summary('Temporal with its UI, the simulated cloud and a worker, here')
    .description(
      'Starts a Temporal dev server with its UI, the simulated cloud and a worker, and keeps all in .slipway/ of this\n' +
        'folder: started again, it finds every instance where it was. Other commands in this folder use it by themselves.',
    )
    .action(async () => {
      const { runDev } = await import('../dev/run.js');
      await runDev(process.cwd());
    });
}
