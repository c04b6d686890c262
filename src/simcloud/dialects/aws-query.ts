/** The two forms of EC2's protocol: a form-encoded query that nests by dots and numbers, and XML. */

export interface Query {
  action: string;
  /** `{ InstanceId: ['i-1'], Filter: [{ Name: …, Value: […] }] }`: numbers became positions of an array. */
  params: QueryNode;
}

export interface QueryNode {
  [name: string]: QueryValue | undefined;
}
export type QueryValue = string | QueryNode | QueryValue[];

export function parseQuery(body: string): Query {
  const root: Record<string, unknown> = {};
  for (const [path, value] of new URLSearchParams(body)) put(root, path.split('.'), value);
  const { Action, Version: _version, ...params } = toNode(root) as QueryNode;
  return { action: typeof Action === 'string' ? Action : '', params };
}

function put(node: Record<string, unknown>, [name = '', ...rest]: string[], value: string): void {
  if (name === '__proto__') return;
  if (rest.length === 0) {
    node[name] = value;
    return;
  }
  const known = node[name];
  const child = typeof known === 'object' && known !== null ? (known as Record<string, unknown>) : {};
  node[name] = child;
  put(child, rest, value);
}

function toNode(value: unknown): QueryValue {
  if (typeof value !== 'object' || value === null) return String(value);
  const entries = Object.entries(value);
  if (entries.length > 0 && entries.every(([key]) => /^\d+$/.test(key))) {
    return entries.sort(([a], [b]) => Number(a) - Number(b)).map(([, item]) => toNode(item));
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, toNode(item)]));
}

export function textAt(node: QueryNode, name: string): string | undefined {
  const value = node[name];
  return typeof value === 'string' ? value : undefined;
}

export function textsAt(node: QueryNode, name: string): string[] {
  const value = node[name];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

export function nodesAt(node: QueryNode, name: string): QueryNode[] {
  const value = node[name];
  return Array.isArray(value) ? value.filter((item): item is QueryNode => isNode(item)) : [];
}

export function nodeAt(node: QueryNode, name: string): QueryNode {
  const value = node[name];
  return value !== undefined && isNode(value) ? value : {};
}

function isNode(value: QueryValue): value is QueryNode {
  return typeof value === 'object' && !Array.isArray(value);
}

/** What XML is made of; an array becomes `<item>`s, and what is undefined is left out. */
export type Xml = string | number | boolean | undefined | Xml[] | { [name: string]: Xml };

export function toXml(name: string, value: Xml): string {
  if (value === undefined) return '';
  return `<${name}>${contentOf(value)}</${name}>`;
}

function contentOf(value: Exclude<Xml, undefined>): string {
  if (Array.isArray(value)) return value.map((item) => toXml('item', item)).join('');
  if (typeof value === 'object') {
    return Object.entries(value)
      .map(([name, child]) => toXml(name, child))
      .join('');
  }
  return String(value).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

const NAMESPACE = 'http://ec2.amazonaws.com/doc/2016-11-15/';

export function answerXml(action: string, requestId: string, value: { [name: string]: Xml }): string {
  const body = contentOf({ requestId, ...value });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${action}Response xmlns="${NAMESPACE}">${body}</${action}Response>`;
}

export function errorXml(requestId: string, code: string, message: string): string {
  const errors = toXml('Errors', { Error: { Code: code, Message: message } });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Response>${errors}${toXml('RequestID', requestId)}</Response>`;
}
