import { z } from 'zod';

/** The requests of Lambda's API 1.10.0, with the limits that its document gives. */

const tag = z.object({
  key: z
    .string()
    .max(55)
    .regex(/^[a-z][a-z0-9-:]+$/),
  value: z.string().max(128),
});

export const launchBody = z.object({
  region_name: z.string(),
  instance_type_name: z.string(),
  ssh_key_names: z.array(z.string()).length(1),
  name: z.string().max(64).optional(),
  hostname: z
    .string()
    .regex(/^[a-z0-9][0-9a-z-]{0,62}$/)
    .optional(),
  image: z.union([z.object({ id: z.string() }), z.object({ family: z.string() })]).optional(),
  /** Plain text, not base64. */
  user_data: z.string().max(1_048_576).optional(),
  tags: z.array(tag).default([]),
  file_system_names: z.array(z.string()).optional(),
});

export const idsBody = z.object({ instance_ids: z.array(z.string()).min(1) });
export const renameBody = z.object({ name: z.string().max(64).optional() });
export const addKeyBody = z.object({
  name: z.string().min(1).max(64),
  public_key: z.string().min(1).max(4096).optional(),
});

const port = z.number().int().min(1).max(65_535);
const rule = z.object({
  protocol: z.enum(['tcp', 'udp', 'icmp', 'all']),
  port_range: z.tuple([port, port]).optional(),
  source_network: z.string(),
  description: z.string().max(128),
});
export type LambdaRule = z.output<typeof rule>;
export const rulesBody = z.object({ data: z.array(rule) });
