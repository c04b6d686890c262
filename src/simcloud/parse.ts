import type { z } from 'zod';
import { invalid } from './errors.js';

/** @throws {CloudError} `request.invalid`, naming the first field that is wrong. */
export function parse<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input ?? {});
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  return invalid(issue?.path.join('.') || 'body', issue?.message ?? 'invalid');
}
