import { inspect } from 'node:util';
import { REDACTED } from '../redact.js';

/** The same object, which prints only these fields, numbers and booleans: for JSON, `util.inspect` and `console.log`. */
export function hideExcept<T extends object>(fields: T, shown: readonly (keyof T & string)[]): T {
  const print = (): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [
        name,
        isHarmless(value) || shown.some((one) => one === name) ? value : REDACTED,
      ]),
    );
  // Not enumerable: neither copied nor iterated over, so the object is to all others what it was.
  Object.defineProperty(fields, 'toJSON', { value: print, enumerable: false });
  Object.defineProperty(fields, inspect.custom, { value: print, enumerable: false });
  return fields;
}

function isHarmless(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'boolean' || value === undefined || value === null;
}
