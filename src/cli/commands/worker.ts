import type { Command } from 'commander';

export function addWorker(program: Command): void {
  program
    .command('worker')
    .summary('run a worker')
    .description(
      [
        'Runs a worker until SIGTERM or Ctrl-C; then it takes no more work and ends. Its log is JSON lines on stderr.',
        '',
        'Configured by the environment:',
        '  SLIPWAY_CREDENTIALS  file: [{ "cloudCredRefId", "provider", … }]; needed',
        '  SLIPWAY_SSH_KEYS     file: { "default": "path of a private key" }',
        '  SLIPWAY_JOURNAL_URL  where events are kept: a file, or postgres://…; default: nowhere',
        '  SLIPWAY_TASK_QUEUE   default slipway',
        '  SLIPWAY_LOG_LEVEL    default info',
        '  SLIPWAY_STRAYS       report (default) or terminate',
        '  SLIPWAY_HEALTH_ADDRESS  host:port on which it answers /live and /ready',
        '  TEMPORAL_ADDRESS and the rest of Temporal’s own configuration',
        'Where `slipway dev` runs, or ran, its files are the defaults.',
      ].join('\n'),
    )
    .action(worker);
}

async function worker(): Promise<void> {
  const [{ runWorker }, { findServer }, { workerEnvironment }] = await Promise.all([
    import('../worker-process.js'),
    import('../server.js'),
    import('../dev/environment.js'),
  ]);
  const server = findServer();
  await runWorker(server, { ...workerEnvironment(process.env, process.cwd()), SLIPWAY_TASK_QUEUE: server.taskQueue });
}
