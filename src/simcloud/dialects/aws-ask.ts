import type { Cloud } from '../cloud.js';
import type { Operation } from '../fault-kinds.js';
import type { CallContext } from '../gate.js';
import { nodesAt, type QueryNode, textAt, textsAt, type Xml } from './aws-query.js';
import { invalidValue } from './aws-refusals.js';

/** One call: what was asked, where, by whom. */
export interface Ask {
  cloud: Cloud;
  params: QueryNode;
  region: string;
  context: CallContext;
}

export interface Action {
  operation: (params: QueryNode) => Operation;
  work: (ask: Ask) => { [name: string]: Xml } | Promise<{ [name: string]: Xml }>;
}

export const done = { return: true } as const;
export const always = (operation: Operation) => () => operation;

export function pageSizeOf({ cloud, params }: Ask, least: number): number {
  const asked = textAt(params, 'MaxResults');
  if (asked === undefined) return Number.MAX_SAFE_INTEGER;
  const size = Number(asked);
  if (!Number.isInteger(size) || size < least || size > 1_000) invalidValue('MaxResults', asked);
  return Math.min(size, cloud.parts.pageSize);
}

export function filtersOf(params: QueryNode): [name: string, values: string[]][] {
  return nodesAt(params, 'Filter').map((filter) => [textAt(filter, 'Name') ?? '', textsAt(filter, 'Value')]);
}

/** @throws {CloudError} for a filter that is not about one value of a tag. */
export function filteredTags(params: QueryNode): Record<string, string> {
  const odd = filtersOf(params).find(([name, values]) => !name.startsWith('tag:') || values.length !== 1);
  return odd ? invalidValue('Filter', odd[0]) : toTagQuery(params);
}

export function toTagQuery(params: QueryNode): Record<string, string> {
  return Object.fromEntries(filtersOf(params).map(([name, [value = '']]) => [name.slice('tag:'.length), value]));
}

export function tagsIn(node: QueryNode): Record<string, string> {
  return Object.fromEntries(nodesAt(node, 'Tag').map((tag) => [textAt(tag, 'Key') ?? '', textAt(tag, 'Value') ?? '']));
}

export function specifiedTags(params: QueryNode, resource: string): Record<string, string> {
  const specification = nodesAt(params, 'TagSpecification').find((one) => textAt(one, 'ResourceType') === resource);
  return specification ? tagsIn(specification) : {};
}
