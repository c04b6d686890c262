import type { Command } from 'commander';

export function addDemo(program: Command): void {
  program
    .command('demo')
    .summary('the whole lifecycle, on a simulated cloud, in under a minute')
    .description(
      'Takes instances through their whole life on the simulated cloud, over real HTTP and real SSH: out of stock, a\n' +
        'lost answer, a quota wall, a killed worker. Ends with the cloud’s own count, and with exit code 1 unless nothing\n' +
        'runs, is doubled or leaked. Uses a Temporal server of its own, or the one that TEMPORAL_ADDRESS names.',
    )
    .action(async () => {
      const { runDemo } = await import('../demo/run.js');
      await runDemo();
    });
}
