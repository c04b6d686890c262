import type { Env, Report } from './source.js';

const VARIABLE = 'SLIPWAY_EVENT_SOURCE';

/**
 * What CloudEvents name as their `source`: a URI reference, so that receivers tell several Slipways apart.
 * @returns undefined when none is named, or it was reported instead.
 */
export function readEventSource(env: Env, report: Report): string | undefined {
  const source = env[VARIABLE]?.trim();
  if (!source) return undefined;
  if (/^[\x21-\x7e]{1,200}$/.test(source) && URL.canParse(source, 'https://slipway.invalid/')) return source;
  report(VARIABLE, 'must be a URI or a path, at most 200 characters, such as /slipway/eu or https://gpu.example');
  return undefined;
}
