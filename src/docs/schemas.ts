import { z } from 'zod';
import { commandSchemas, eventSchema, requestSchema, viewSchema } from '../client/schemas.js';

/** As a sender, or a reader who ignores what it does not know, must have them. */
const toJson = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input' });

/** The public interface as JSON Schemas, by file name. */
export function jsonSchemas(): Record<string, unknown> {
  return {
    'request.schema.json': toJson(requestSchema),
    'commands.schema.json': commands(),
    'event.schema.json': toJson(eventSchema),
    'instance.schema.json': toJson(viewSchema),
  };
}

/** One file for all: a command's input is `commands.schema.json#/properties/<name>`. */
function commands() {
  const { required: _all, ...schema } = toJson(z.object(commandSchemas));
  return {
    ...schema,
    title: 'Commands',
    description: 'The input of each Temporal Update of an instance’s workflow, by the Update’s name.',
  };
}
