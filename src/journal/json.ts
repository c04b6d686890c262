/** Whether two JSON values are equal. The order of keys does not count, and `undefined` counts as absent. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((part, index) => sameJson(part, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  return keysOf(a, b).every((key) => sameJson(a[key], b[key]));
}

/** The places where two JSON values differ, as paths: `machine.cloudId`, `attempts[2].outcome`; '' for the whole. */
export function jsonDifferences(a: unknown, b: unknown, path = ''): string[] {
  if (sameJson(a, b)) return [];
  if (Array.isArray(a) && Array.isArray(b)) {
    const length = Math.max(a.length, b.length);
    return Array.from({ length }, (_, index) => jsonDifferences(a[index], b[index], `${path}[${index}]`)).flat();
  }
  if (isObject(a) && isObject(b)) {
    return keysOf(a, b).flatMap((key) => jsonDifferences(a[key], b[key], path ? `${path}.${key}` : key));
  }
  return [path];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function keysOf(a: object, b: object): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
}
