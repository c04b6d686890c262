import { z } from 'zod';

/** What Nebius answers, as far as we read it. All but ids may be missing: a field at its default is not sent. */

const time = z.object({ seconds: z.number().default(0), nanos: z.number().default(0) }).optional();

export const metadata = z.object({
  id: z.string().min(1),
  parent_id: z.string().default(''),
  name: z.string().default(''),
  resource_version: z.number().optional(),
  created_at: time,
  labels: z.record(z.string(), z.string()).default({}),
});

/** A word of an enum; a number where the word is newer than this file. */
const word = z.union([z.string(), z.number()]).transform(String).optional();

const address = z.object({ address: z.string().optional() }).optional();

export const instance = z.object({
  metadata,
  spec: z
    .object({ resources: z.object({ platform: z.string().default(''), preset: z.string().default('') }).optional() })
    .optional(),
  status: z
    .object({
      state: word,
      reconciling: z.boolean().default(false),
      network_interfaces: z.array(z.object({ ip_address: address, public_ip_address: address })).default([]),
    })
    .optional(),
});
export type NebiusInstance = z.output<typeof instance>;

/** `status` stays raw: its details are read with the error table's eyes. */
export const operation = z.object({
  id: z.string().default(''),
  created_at: time,
  finished_at: time,
  resource_id: z.string().default(''),
  status: z.unknown().optional(),
});
export type NebiusOperation = z.output<typeof operation>;

export const project = z.object({
  metadata,
  spec: z.object({ region: z.string().default('') }).optional(),
  status: z.object({ region: z.string().default('') }).optional(),
});
export type NebiusProject = z.output<typeof project>;

export const subnet = z.object({ metadata });
export type NebiusSubnet = z.output<typeof subnet>;

export const disk = z.object({
  metadata,
  status: z
    .object({ state: word, read_write_attachment: z.string().default(''), managed_by: z.string().default('') })
    .optional(),
});
export type NebiusDisk = z.output<typeof disk>;

const preset = z.object({
  name: z.string().min(1),
  resources: z
    .object({
      vcpu_count: z.number().default(0),
      memory_gibibytes: z.number().default(0),
      gpu_count: z.number().default(0),
    })
    .default({ vcpu_count: 0, memory_gibibytes: 0, gpu_count: 0 }),
});
export type NebiusPreset = z.output<typeof preset>;

export const platform = z.object({
  metadata,
  spec: z
    .object({
      presets: z.array(preset).default([]),
      gpu_count_quota_type: z.string().default(''),
      allow_preset_change: z.boolean().default(false),
      gpu_memory_gigabytes: z.number().default(0),
    })
    .default({ presets: [], gpu_count_quota_type: '', allow_preset_change: false, gpu_memory_gigabytes: 0 }),
});
export type NebiusPlatform = z.output<typeof platform>;

export const estimate = z.object({
  hourly_cost: z.object({ general: z.object({ total: z.object({ cost: z.string() }) }) }),
});

export const quota = z.object({
  metadata: z.object({ name: z.string().default('') }).default({ name: '' }),
  spec: z.object({ limit: z.number().optional(), region: z.string().default('') }).default({ region: '' }),
  status: z.object({ state: word, usage: z.number().default(0) }).optional(),
});
export type NebiusQuota = z.output<typeof quota>;

export const advice = z.object({
  metadata: z.object({ id: z.string().default('') }).default({ id: '' }),
  spec: z
    .object({
      region: z.string().default(''),
      fabric: z.string().default(''),
      compute_instance: z
        .object({ platform: z.string().default(''), preset: z.object({ name: z.string().default('') }).optional() })
        .optional(),
    })
    .optional(),
  status: z
    .object({
      on_demand: z.object({ data_state: word, available: z.number().default(0), availability_level: word }).optional(),
    })
    .optional(),
});
export type NebiusAdvice = z.output<typeof advice>;
