import { basename, isAbsolute, relative } from 'node:path';

/**
 * How to call us again from here, as it was done this time: `slipway`, `npx slipway`, or `node dist/cli/main.js`. In our
 * own repository `npx slipway` would pack and build the package each time.
 */
export function invocation(argv: readonly string[] = process.argv, cwd: string = process.cwd()): string {
  const [, script = ''] = argv;
  if (basename(script) !== 'slipway') {
    const path = relative(cwd, script);
    return `node ${path.startsWith('..') || isAbsolute(path) ? script : path}`;
  }
  return /[\\/]node_modules[\\/]\.bin[\\/]/.test(script) ? 'npx slipway' : 'slipway';
}
