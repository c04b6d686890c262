import { EXIT } from './exit-codes.js';

/**
 * Resolves at the first SIGINT or SIGTERM, so that things stop in order. From then on a second one ends the process at
 * once: whoever presses Ctrl-C twice does not want order.
 */
export function untilAskedToStop(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const onSignal = (signal: NodeJS.Signals) => {
      resolve(signal);
      for (const again of ['SIGINT', 'SIGTERM'] as const) {
        process.off(again, onSignal).on(again, () => process.exit(EXIT.interrupted));
      }
    };
    process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  });
}
