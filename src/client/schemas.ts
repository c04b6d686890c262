/**
 * The public interface as zod schemas, for the edges and for docs/schemas. Workflows and the domain never import them:
 * zod would multiply the cost of every workflow start. Their own validators say the same; tests hold the two together.
 */
export { commandSchemas } from './schemas/commands.js';
export { eventSchema } from './schemas/events.js';
export { viewSchema } from './schemas/instance.js';
export { requestSchema } from './schemas/request.js';
