import type { Check } from '../check.js';
import { CATALOG } from './catalog.js';
import { CHANGES } from './changes.js';
import { CONTAINERS } from './containers.js';
import { CREATION } from './creation.js';
import { ENDING } from './ending.js';
import { FIREWALL } from './firewall.js';
import { MACHINE } from './machine.js';
import { POWER } from './power.js';
import { REFUSALS } from './refusals.js';
import { SIGHT } from './sight.js';

const identityIsLast = (check: Check): boolean => check.id === 'identity.kept';

/** Every check, in the order in which they run: what costs nothing first, the end last. */
export const CHECKS: readonly Check[] = [
  ...CATALOG,
  ...REFUSALS,
  ...CREATION,
  ...SIGHT,
  ...MACHINE,
  ...FIREWALL,
  ...CONTAINERS,
  ...CHANGES.filter((check) => !identityIsLast(check)),
  ...POWER,
  ...CHANGES.filter(identityIsLast),
  ...ENDING,
];

/** Those whose id, or group, is named: `firewall`, `firewall.shut`. @throws {UnknownCheck} for a name that is neither. */
export function selectChecks({
  only = [],
  skip = [],
}: {
  only?: readonly string[];
  skip?: readonly string[];
}): Check[] {
  const names = new Set(CHECKS.flatMap(({ id }) => [id, groupOf(id)]));
  const unknown = [...only, ...skip].filter((name) => !names.has(name));
  if (unknown.length > 0) throw new UnknownCheck(unknown, [...names].sort());
  const isNamed = (list: readonly string[], { id }: Check): boolean => list.includes(id) || list.includes(groupOf(id));
  return CHECKS.filter((check) => (only.length === 0 || isNamed(only, check)) && !isNamed(skip, check));
}

export class UnknownCheck extends Error {
  override readonly name = 'UnknownCheck';
  constructor(unknown: readonly string[], known: readonly string[]) {
    super(`There is no check ${unknown.join(', ')}; there are ${known.join(', ')}.`);
  }
}

export function groupOf(id: string): string {
  return id.split('.')[0] ?? id;
}
