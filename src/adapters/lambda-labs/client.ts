import { z } from 'zod';
import { type HttpClient, type HttpReply, pathOf } from '../http.js';
import type { Priority } from '../rate-limiter.js';
import type { StoredKey } from '../ssh-keys.js';
import { UnchangedPages } from '../unchanged.js';

/*
 * Lambda Cloud API 1.10.0: one function per endpoint that we use; answers are parsed, not cast.
 *
 * Lenient in what is there: unknown fields pass (the API adds some without notice, `workspace_id` broke other clients)
 * and are dropped, the Jupyter token among them; a field we cannot read is absent. Strict in what must be: an id for
 * every instance, a list in a listing.
 */

const text = z.union([z.string(), z.number().transform(String)]);
const id = text.pipe(z.string().min(1));
const optionalText = text
  .nullish()
  .transform((value) => value || undefined)
  .catch(undefined);
const optionalNumber = z.coerce.number().nonnegative().optional().catch(undefined);
const region = z.object({ name: id });

const instanceType = z.object({
  name: id,
  description: optionalText,
  gpu_description: optionalText,
  price_cents_per_hour: optionalNumber,
  specs: z
    .object({ vcpus: optionalNumber, memory_gib: optionalNumber, gpus: optionalNumber })
    .catch({ vcpus: undefined, memory_gib: undefined, gpus: undefined }),
});
export type LambdaInstanceType = z.output<typeof instanceType>;

const action = z.object({ available: z.boolean(), reason_code: optionalText }).optional().catch(undefined);

const instance = z.object({
  id,
  name: optionalText,
  status: optionalText,
  ip: optionalText,
  private_ip: optionalText,
  ssh_key_names: z.array(z.string()).catch([]),
  region: region.optional().catch(undefined),
  instance_type: instanceType.optional().catch(undefined),
  actions: z.object({ restart: action }).optional().catch(undefined),
  tags: z.array(z.object({ key: z.string(), value: text })).catch([]),
});
export type LambdaInstance = z.output<typeof instance>;

const sshKey = z
  .object({ id, name: z.string(), public_key: z.string().catch('') })
  .transform(({ public_key: publicKey, ...key }) => ({ ...key, publicKey }));

const port = z.coerce.number().int();
const firewallRule = z.object({
  protocol: z.string(),
  port_range: z.tuple([port, port]).nullish().catch(undefined),
  source_network: z.string(),
});
export type LambdaFirewallRule = z.output<typeof firewallRule>;

const data = <Schema extends z.ZodType>(schema: Schema) => z.object({ data: schema });
const instanceReply = data(instance);
const instancesReply = data(z.array(instance));
const launchReply = data(z.object({ instance_ids: z.tuple([id], id) }));
const terminateReply = data(z.object({ terminated_instances: z.array(z.object({ id })) }));
const restartReply = data(z.object({ restarted_instances: z.array(z.object({ id })) }));
const sshKeyReply = data(sshKey);
const sshKeysReply = data(z.array(sshKey));
const firewallReply = data(z.array(firewallRule));
const regionsReply = data(z.array(region));
const typesReply = data(
  z.record(z.string(), z.object({ instance_type: instanceType, regions_with_capacity_available: z.array(region) })),
);
export type LambdaOffering = z.output<typeof typesReply>['data'][string];

export interface LambdaLaunchBody {
  region_name: string;
  instance_type_name: string;
  /** Exactly one. */
  ssh_key_names: [string];
  name: string;
  image?: { id: string } | { family: string };
  /** Plain text. */
  user_data: string;
  tags: { key: string; value: string }[];
}

export class LambdaClient {
  readonly #http: HttpClient;
  readonly #unchanged = new UnchangedPages();

  constructor(http: HttpClient) {
    this.#http = http;
  }

  /** @param conceal What of the user data no error may echo. @returns the new machine's id. */
  async launch(
    body: LambdaLaunchBody,
    conceal: readonly (string | undefined)[],
    signal: AbortSignal,
  ): Promise<HttpReply<string>> {
    const request = { method: 'POST', path: '/instance-operations/launch', body, reply: launchReply } as const;
    const secrets = [body.user_data, ...conceal];
    const options = { priority: 'provision', isCreate: true, conceal: secrets } as const;
    const { value, ...rest } = await this.#http.send({ ...request, ...options }, signal);
    return { ...rest, value: value.data.instance_ids[0] };
  }

  async getInstance(instanceId: string, priority: Priority, signal: AbortSignal): Promise<LambdaInstance> {
    const path = pathOf`/instances/${instanceId}`;
    return (await this.#http.send({ method: 'GET', path, reply: instanceReply, priority }, signal)).value.data;
  }

  /** The whole account: there are no pages and no filters. */
  async listInstances(priority: Priority, signal: AbortSignal): Promise<LambdaInstance[]> {
    const unchanged = this.#unchanged.begin();
    const request = { method: 'GET', path: '/instances', reply: instancesReply, unchanged, priority } as const;
    return (await this.#http.send(request, signal)).value.data;
  }

  /** @returns the ids that the provider says it ends. */
  async terminate(instanceId: string, signal: AbortSignal): Promise<string[]> {
    const path = '/instance-operations/terminate';
    const body = { instance_ids: [instanceId] };
    const request = { method: 'POST', path, body, reply: terminateReply, priority: 'end' } as const;
    return (await this.#http.send(request, signal)).value.data.terminated_instances.map((one) => one.id);
  }

  /** @returns the ids that the provider says it restarts. */
  async restart(instanceId: string, signal: AbortSignal): Promise<string[]> {
    const path = '/instance-operations/restart';
    const body = { instance_ids: [instanceId] };
    const request = { method: 'POST', path, body, reply: restartReply, priority: 'provision' } as const;
    return (await this.#http.send(request, signal)).value.data.restarted_instances.map((one) => one.id);
  }

  async addSshKey(name: string, publicKey: string, signal: AbortSignal): Promise<StoredKey> {
    const body = { name, public_key: publicKey };
    const request = { method: 'POST', path: '/ssh-keys', body, reply: sshKeyReply, priority: 'provision' } as const;
    return (await this.#http.send(request, signal)).value.data;
  }

  async listSshKeys(priority: Priority, signal: AbortSignal): Promise<StoredKey[]> {
    const request = { method: 'GET', path: '/ssh-keys', reply: sshKeysReply, priority } as const;
    return (await this.#http.send(request, signal)).value.data;
  }

  async deleteSshKey(keyId: string, priority: Priority, signal: AbortSignal): Promise<void> {
    await this.#http.send({ method: 'DELETE', path: pathOf`/ssh-keys/${keyId}`, priority }, signal);
  }

  /** Of the whole account, inbound. */
  async listFirewallRules(signal: AbortSignal): Promise<LambdaFirewallRule[]> {
    const request = { method: 'GET', path: '/firewall-rules', reply: firewallReply, priority: 'provision' } as const;
    return (await this.#http.send(request, signal)).value.data;
  }

  async listInstanceTypes(signal: AbortSignal): Promise<LambdaOffering[]> {
    const request = { method: 'GET', path: '/instance-types', reply: typesReply, priority: 'catalog' } as const;
    return Object.values((await this.#http.send(request, signal)).value.data);
  }

  async listRegions(signal: AbortSignal): Promise<string[]> {
    const request = { method: 'GET', path: '/regions', reply: regionsReply, priority: 'catalog' } as const;
    return (await this.#http.send(request, signal)).value.data.map(({ name }) => name);
  }
}
