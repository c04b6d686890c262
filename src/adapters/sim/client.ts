import { z } from 'zod';
import type { FirewallRule, FirewallRules } from '../../domain/firewall.js';
import type { Size } from '../../domain/size.js';
import { type HttpClient, type HttpReply, pathOf } from '../http.js';
import type { Priority } from '../rate-limiter.js';
import type { UnchangedPages } from '../unchanged.js';

/*
 * Simcloud's own dialect: one function per endpoint; answers are parsed, not cast.
 *
 * Lenient in what is there (unknown fields pass, numbers may be strings, a field we cannot read is absent), so that one
 * odd instance hides neither itself nor the rest; strict in what must be: an id for every instance, a list in a page.
 */

const text = z.union([z.string(), z.number().transform(String)]);
const optionalText = text
  .nullish()
  .transform((value) => value || undefined)
  .catch(undefined);
const optionalNumber = z.coerce.number().int().positive().optional().catch(undefined);
const tags = z.record(z.string(), text).catch({});
const money = z.object({ amount: text, currency: z.string() }).optional().catch(undefined);
const size = z.object({ value: z.coerce.number(), unit: z.string() }).optional().catch(undefined);

/** Read strictly: what we misread here we would open or close. */
const firewallRule = z.object({
  id: text,
  fromPort: z.coerce.number().int(),
  toPort: z.coerce.number().int(),
  ipRanges: z.array(z.string()).default([]),
});
const firewallRules = z.object({ ingressRules: z.array(firewallRule), egressRules: z.array(firewallRule) });
export type SimFirewallRules = z.output<typeof firewallRules>;

const instance = z.object({
  id: text.pipe(z.string().min(1)),
  name: optionalText,
  status: optionalText,
  statusMessage: optionalText,
  location: optionalText,
  subLocation: optionalText,
  instanceType: optionalText,
  publicAddress: optionalText,
  privateAddress: optionalText,
  sshUser: optionalText,
  sshPort: optionalNumber,
  createdAt: optionalText,
  tags,
  stoppable: z.boolean().catch(false),
  rebootable: z.boolean().catch(false),
  pricePerHour: money,
  firewallRules: firewallRules.optional().catch(undefined),
});
export type SimInstance = z.output<typeof instance>;

const instanceType = z.object({
  name: text.pipe(z.string().min(1)),
  location: text.pipe(z.string().min(1)),
  subLocation: optionalText,
  available: z.boolean(),
  pricePerHour: money,
  gpu: z.object({ name: text, count: z.coerce.number().int().positive(), memory: size }).nullish().catch(undefined),
  vcpu: optionalNumber,
  memory: size,
  architecture: optionalText,
  stoppable: z.boolean().catch(false),
  rebootable: z.boolean().catch(false),
});
export type SimInstanceType = z.output<typeof instanceType>;

const shown = z.object({ instance });
const instancePage = z.object({ instances: z.array(instance), nextPageToken: optionalText });
const typePage = z.object({ instanceTypes: z.array(instanceType), nextPageToken: optionalText });

export interface Page<T> {
  items: T[];
  nextPageToken?: string;
}

export interface SimCreateBody {
  name: string;
  location: string;
  instanceType: string;
  imageId?: string;
  diskSize?: Size;
  publicKeys: string[];
  tags: Record<string, string>;
  userDataBase64?: string;
  firewallRules: FirewallRules;
  clientToken?: string;
}

export interface NewSimRule {
  direction: 'ingress' | 'egress';
  rule: FirewallRule;
}

export class SimClient {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  createInstance(body: SimCreateBody, signal: AbortSignal): Promise<HttpReply<{ instance: SimInstance }>> {
    const { userDataBase64 } = body;
    const request = { method: 'POST', path: '/instances', body, reply: shown, priority: 'provision' } as const;
    return this.#http.send({ ...request, isCreate: true, conceal: [userDataBase64, decoded(userDataBase64)] }, signal);
  }

  async getInstance(id: string, priority: Priority, signal: AbortSignal): Promise<SimInstance> {
    const path = pathOf`/instances/${id}`;
    return (await this.#http.send({ method: 'GET', path, reply: shown, priority }, signal)).value.instance;
  }

  async getFirewallRules(id: string, signal: AbortSignal): Promise<SimFirewallRules> {
    const path = pathOf`/instances/${id}`;
    const reply = z.object({ instance: z.object({ firewallRules }) });
    const answer = await this.#http.send({ method: 'GET', path, reply, priority: 'provision' }, signal);
    return answer.value.instance.firewallRules;
  }

  /** @param tag `key=value` */
  async listInstances(
    query: { tag: string; pageToken?: string },
    priority: Priority,
    signal: AbortSignal,
    unchanged?: UnchangedPages,
  ): Promise<Page<SimInstance>> {
    const request = { method: 'GET', path: '/instances', query, reply: instancePage, unchanged, priority } as const;
    const { instances, nextPageToken } = (await this.#http.send(request, signal)).value;
    return { items: instances, nextPageToken };
  }

  async deleteInstance(id: string, signal: AbortSignal): Promise<void> {
    await this.#http.send({ method: 'DELETE', path: pathOf`/instances/${id}`, priority: 'end' }, signal);
  }

  async actOnInstance(id: string, verb: 'stop' | 'start' | 'reboot', signal: AbortSignal): Promise<void> {
    const priority = verb === 'stop' ? 'end' : 'provision';
    await this.#http.send({ method: 'POST', path: pathOf`/instances/${id}/${verb}`, priority }, signal);
  }

  /** Replaces them all. */
  putTags(id: string, replacement: Record<string, string>, signal: AbortSignal): Promise<void> {
    return this.#put(pathOf`/instances/${id}/tags`, { tags: replacement }, signal);
  }

  putInstanceType(id: string, name: string, signal: AbortSignal): Promise<void> {
    return this.#put(pathOf`/instances/${id}/instance-type`, { instanceType: name }, signal);
  }

  putDisk(id: string, diskSize: Size, signal: AbortSignal): Promise<void> {
    return this.#put(pathOf`/instances/${id}/disk`, { diskSize }, signal);
  }

  async addFirewallRule(id: string, { direction, rule }: NewSimRule, signal: AbortSignal): Promise<void> {
    const path = pathOf`/instances/${id}/firewall-rules`;
    await this.#http.send({ method: 'POST', path, body: { direction, ...rule }, priority: 'provision' }, signal);
  }

  async deleteFirewallRule(id: string, ruleId: string, signal: AbortSignal): Promise<void> {
    const path = pathOf`/instances/${id}/firewall-rules/${ruleId}`;
    await this.#http.send({ method: 'DELETE', path, priority: 'provision' }, signal);
  }

  async listInstanceTypes(pageToken: string | undefined, signal: AbortSignal): Promise<Page<SimInstanceType>> {
    const query = { pageToken };
    const request = { method: 'GET', path: '/instance-types', query, reply: typePage, priority: 'catalog' } as const;
    const { instanceTypes, nextPageToken } = (await this.#http.send(request, signal)).value;
    return { items: instanceTypes, nextPageToken };
  }

  async listLocations(signal: AbortSignal): Promise<string[]> {
    const reply = z.object({ locations: z.array(z.object({ name: text })) });
    const answer = await this.#http.send({ method: 'GET', path: '/locations', reply, priority: 'catalog' }, signal);
    return answer.value.locations.map(({ name }) => name);
  }

  async #put(path: string, body: unknown, signal: AbortSignal): Promise<void> {
    await this.#http.send({ method: 'PUT', path, body, priority: 'provision' }, signal);
  }
}

function decoded(base64: string | undefined): string | undefined {
  return base64 === undefined ? undefined : Buffer.from(base64, 'base64').toString();
}
