import { type Env, isFields, type Report, readJson, resolveReferences, type Source } from '../config/source.js';
import type { InstanceEventType } from '../domain/instance/index.js';
import { EVENT_TYPES } from '../domain/instance/timeline.js';
import { registerSecrets } from '../redact.js';
import { endpointIssues, type WebhookEndpoint } from './webhook-endpoint.js';

const VARIABLE = 'SLIPWAY_WEBHOOKS';
const FIELDS = ['id', 'url', 'secret', 'types', 'from', 'allowHttp'];

/**
 * The endpoints of the JSON file that SLIPWAY_WEBHOOKS names: an array of `{ id, url, secret, types?, from?,
 * allowHttp? }`, where `secret` is `{ "env": "NAME" }`, `{ "file": "path" }`, or a list of those while it is changed.
 * None when the variable is not set. What is wrong is reported, and left out; secrets become known to the logger.
 */
export function readWebhooks(env: Env, report: Report): WebhookEndpoint[] {
  const file = env[VARIABLE]?.trim();
  if (!file) return [];
  const source: Source = { env, file, report };
  const entries = readJson(source);
  if (entries === undefined) return [];
  if (!Array.isArray(entries)) {
    report(file, 'must be an array of { id, url, secret }');
    return [];
  }
  const endpoints = entries.flatMap((entry, index) => readEndpoint(entry, `${file} [${index}]`, source));
  return endpoints.filter(({ id }, index) => {
    const first = endpoints.findIndex((other) => other.id === id) === index;
    if (!first) report(file, `the id ${id} is there twice`);
    return first;
  });
}

function readEndpoint(entry: unknown, where: string, source: Source): WebhookEndpoint[] {
  if (!isFields(entry)) {
    source.report(where, 'must be an object');
    return [];
  }
  const issues: [string, string][] = Object.keys(entry)
    .filter((field) => !FIELDS.includes(field))
    .map((field) => [`${where}.${field}`, 'is not a field of a webhook']);
  const noting: Source = { ...source, report: (place, message) => issues.push([place, message]) };
  const { id, url, secret, types, from, allowHttp } = resolveReferences(entry, where, noting) as Record<
    string,
    unknown
  >;
  const secrets = [secret].flat().filter((one) => typeof one === 'string');
  registerSecrets(secrets);
  const endpoint: WebhookEndpoint = {
    id: String(id ?? ''),
    url: String(url ?? ''),
    secrets,
    ...(from !== undefined && { from: from as 'now' }),
    ...(allowHttp === true && { allowHttp }),
  };
  const reported = issues.map(([place]) => place);
  for (const issue of endpointIssues(endpoint)) {
    const [name = '', ...message] = issue.split(': ');
    const field = name.replace('secrets', 'secret');
    // A reference that leads nowhere was told; that nothing is there follows from it.
    const isTold = reported.some((place) => place === `${where}.${field}` || place.startsWith(`${where}.${field}[`));
    if (!isTold) issues.push([`${where}.${field}`, message.join(': ')]);
  }
  if (types !== undefined && !isEventTypes(types)) issues.push([`${where}.types`, 'must list types of events']);
  if (allowHttp !== undefined && typeof allowHttp !== 'boolean')
    issues.push([`${where}.allowHttp`, 'must be true or false']);
  for (const [place, message] of issues) source.report(place, message);
  return issues.length > 0 ? [] : [isEventTypes(types) ? { ...endpoint, types } : endpoint];
}

function isEventTypes(value: unknown): value is InstanceEventType[] {
  // An empty list would deliver nothing, and look as if it worked.
  return (
    Array.isArray(value) && value.length > 0 && value.every((type) => EVENT_TYPES.includes(type as InstanceEventType))
  );
}
