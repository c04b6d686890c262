import { type Connection, isGrpcServiceError } from '@temporalio/client';
import { until } from './until.js';

/** Other hosts of a cluster, and the caches of this one, learn of a new namespace within ten seconds. */
const USABLE_WITHIN_MS = 60_000;
const GRPC = { NOT_FOUND: 5, ALREADY_EXISTS: 6, PERMISSION_DENIED: 7, UNIMPLEMENTED: 12, UNAVAILABLE: 14 };

/** We may not make namespaces on this server. */
export class NamespaceUnavailable extends Error {
  override readonly name = 'NamespaceUnavailable';
  constructor(namespace: string, cause: unknown) {
    super(
      `Namespace ${namespace} does not exist and may not be made by us. Make it with \`temporal operator namespace ` +
        `create -n ${namespace} --retention 30d\` (on Temporal Cloud: \`tcld namespace create\`).`,
      { cause },
    );
  }
}

/**
 * Makes the namespace unless it is there; resolves once it can be used. Safe to repeat, and by several at once.
 * @param retentionMs Of a new one: an existing namespace keeps its own.
 * @returns whether we made it.
 * @throws {NamespaceUnavailable}
 */
export async function ensureNamespace(
  connection: Connection,
  namespace: string,
  retentionMs: number,
): Promise<boolean> {
  let isNew = false;
  // A server that has just started, or whose database has, answers UNAVAILABLE for a while.
  await until(
    async () => {
      const there = await exists(connection, namespace);
      if (there === false) isNew = (await register(connection, namespace, retentionMs)) || isNew;
      return there === true;
    },
    { what: `namespace ${namespace}`, withinMs: USABLE_WITHIN_MS, everyMs: 250 },
  );
  return isNew;
}

/** Also to the server's cache, which learns of a new one after `describe` does. undefined: ask again. */
async function exists(connection: Connection, namespace: string): Promise<boolean | undefined> {
  try {
    await connection.workflowService.describeNamespace({ namespace });
  } catch (error) {
    if (!isGrpcServiceError(error)) throw error;
    if ((error.code as number) === GRPC.NOT_FOUND) return false;
    if ((error.code as number) === GRPC.UNAVAILABLE) return undefined;
    throw error;
  }
  return await isUsable(connection, namespace);
}

async function isUsable(connection: Connection, namespace: string): Promise<true | undefined> {
  try {
    await connection.workflowService.countWorkflowExecutions({ namespace });
    return true;
  } catch (error) {
    if (!isGrpcServiceError(error)) throw error;
    if ([GRPC.NOT_FOUND, GRPC.UNAVAILABLE].includes(error.code as number)) return undefined;
    throw error;
  }
}

async function register(connection: Connection, namespace: string, retentionMs: number): Promise<boolean> {
  try {
    const seconds = Math.round(retentionMs / 1000);
    await connection.workflowService.registerNamespace({
      namespace,
      description: 'GPU instances, by Slipway',
      workflowExecutionRetentionPeriod: { seconds: seconds as never }, // a Long by its type; a number is as good
    });
    return true;
  } catch (error) {
    if (!isGrpcServiceError(error)) throw error;
    const code = error.code as number;
    if (code === GRPC.ALREADY_EXISTS || code === GRPC.UNAVAILABLE) return false;
    if (code === GRPC.PERMISSION_DENIED || code === GRPC.UNIMPLEMENTED)
      throw new NamespaceUnavailable(namespace, error);
    throw error;
  }
}
