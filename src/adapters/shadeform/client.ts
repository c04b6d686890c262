import { z } from 'zod';
import { type HttpClient, type HttpReply, pathOf } from '../http.js';
import type { Priority } from '../rate-limiter.js';
import type { StoredKey } from '../ssh-keys.js';
import { UnchangedPages } from '../unchanged.js';

/*
 * Shadeform API v1: one function per endpoint that we use; answers are parsed, not cast. Lenient in what is there,
 * strict in what must be: an id for every instance, a list in a listing. Answers to delete, restart and update are
 * empty and nobody reads them.
 */

const text = z.union([z.string(), z.number().transform(String)]);
const id = text.pipe(z.string().min(1));
const optionalText = text
  .nullish()
  .transform((value) => value || undefined)
  .catch(undefined);
const optionalNumber = z.coerce.number().nonnegative().optional().catch(undefined);

/** The same in the list and in `info`; what `info` has besides, we do not need. */
const instance = z.object({
  id,
  cloud: optionalText,
  region: optionalText,
  shade_instance_type: optionalText,
  name: optionalText,
  /** May be a DNS name. */
  ip: optionalText,
  ssh_user: optionalText,
  ssh_port: z.coerce.number().int().positive().optional().catch(undefined),
  port_mappings: z.array(z.object({ internal_port: z.coerce.number(), external_port: z.coerce.number() })).catch([]),
  status: optionalText,
  status_details: optionalText,
  hourly_price: optionalNumber,
  tags: z.array(z.string()).catch([]),
  created_at: optionalText,
});
export type ShadeInstance = z.output<typeof instance>;

const instanceType = z.object({
  cloud: id,
  shade_instance_type: id,
  hourly_price: optionalNumber,
  deployment_type: optionalText,
  configuration: z
    .object({
      memory_in_gb: optionalNumber,
      vcpus: optionalNumber,
      num_gpus: optionalNumber,
      gpu_type: optionalText,
      vram_per_gpu_in_gb: optionalNumber,
    })
    .catch({
      memory_in_gb: undefined,
      vcpus: undefined,
      num_gpus: undefined,
      gpu_type: undefined,
      vram_per_gpu_in_gb: undefined,
    }),
  availability: z.array(z.object({ region: id, available: z.boolean().catch(false) })),
});
export type ShadeInstanceType = z.output<typeof instanceType>;

const sshKey = z
  .object({ id, name: z.string(), public_key: z.string().catch('') })
  .transform(({ public_key: publicKey, ...key }) => ({ ...key, publicKey }));

const instancesReply = z.object({ instances: z.array(instance) });
const typesReply = z.object({ instance_types: z.array(instanceType) });
const keysReply = z.object({ ssh_keys: z.array(sshKey) });
const idReply = z.object({ id });

export interface ShadeCreateBody {
  cloud: string;
  region: string;
  shade_instance_type: string;
  /** Billed by Shadeform. */
  shade_cloud: true;
  name: string;
  os?: string;
  ssh_key_id: string;
  launch_configuration: { type: 'script'; script_configuration: { base64_script: string } };
  /** `key=value` */
  tags: string[];
}

export class ShadeformClient {
  readonly #http: HttpClient;
  readonly #unchanged = new UnchangedPages();

  constructor(http: HttpClient) {
    this.#http = http;
  }

  /** @param conceal What of the user data no error may echo. @returns the new machine's id. */
  async create(
    body: ShadeCreateBody,
    conceal: readonly (string | undefined)[],
    signal: AbortSignal,
  ): Promise<HttpReply<string>> {
    const script = body.launch_configuration.script_configuration.base64_script;
    const request = { method: 'POST', path: '/instances/create', body, reply: idReply, priority: 'provision' } as const;
    const options = { isCreate: true, conceal: [script, ...conceal] } as const;
    const { value, ...rest } = await this.#http.send({ ...request, ...options }, signal);
    return { ...rest, value: value.id };
  }

  async getInstance(instanceId: string, priority: Priority, signal: AbortSignal): Promise<ShadeInstance> {
    const path = pathOf`/instances/${instanceId}/info`;
    return (await this.#http.send({ method: 'GET', path, reply: instance, priority }, signal)).value;
  }

  /** The whole account but what is deleted: there are no pages and no filters. */
  async listInstances(priority: Priority, signal: AbortSignal): Promise<ShadeInstance[]> {
    const unchanged = this.#unchanged.begin();
    const request = { method: 'GET', path: '/instances', reply: instancesReply, unchanged, priority } as const;
    return (await this.#http.send(request, signal)).value.instances;
  }

  async delete(instanceId: string, signal: AbortSignal): Promise<void> {
    const path = pathOf`/instances/${instanceId}/delete`;
    await this.#http.send({ method: 'POST', path, priority: 'end' }, signal);
  }

  async restart(instanceId: string, signal: AbortSignal): Promise<void> {
    const path = pathOf`/instances/${instanceId}/restart`;
    await this.#http.send({ method: 'POST', path, priority: 'provision' }, signal);
  }

  /** Replaces them all. */
  async updateTags(instanceId: string, tags: string[], signal: AbortSignal): Promise<void> {
    const path = pathOf`/instances/${instanceId}/update`;
    await this.#http.send({ method: 'POST', path, body: { tags }, priority: 'provision' }, signal);
  }

  async addSshKey(name: string, publicKey: string, signal: AbortSignal): Promise<StoredKey> {
    const body = { name, public_key: publicKey };
    const request = { method: 'POST', path: '/sshkeys/add', body, reply: idReply, priority: 'provision' } as const;
    return { id: (await this.#http.send(request, signal)).value.id, name, publicKey };
  }

  async listSshKeys(priority: Priority, signal: AbortSignal): Promise<StoredKey[]> {
    const request = { method: 'GET', path: '/sshkeys', reply: keysReply, priority } as const;
    return (await this.#http.send(request, signal)).value.ssh_keys;
  }

  async deleteSshKey(keyId: string, priority: Priority, signal: AbortSignal): Promise<void> {
    await this.#http.send({ method: 'POST', path: pathOf`/sshkeys/${keyId}/delete`, priority }, signal);
  }

  async listInstanceTypes(signal: AbortSignal): Promise<ShadeInstanceType[]> {
    const request = { method: 'GET', path: '/instances/types', reply: typesReply, priority: 'catalog' } as const;
    return (await this.#http.send(request, signal)).value.instance_types;
  }
}
