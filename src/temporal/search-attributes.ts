import { type Connection, isGrpcServiceError } from '@temporalio/client';
import proto from '@temporalio/proto'; // CommonJS: no named exports at run time
import { SEARCH_ATTRIBUTES } from '../domain/search-attributes.js';
import { until } from './until.js';

const KEYWORD = proto.temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD;
const NAMES = Object.values(SEARCH_ATTRIBUTES);
const USABLE_WITHIN_MS = 30_000;

/** gRPC status codes that the search attribute calls answer with. */
const GRPC = {
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
};

/** We may not register search attributes on this server, or it has one of ours as another type. `names` are missing or wrong. */
export class SearchAttributesUnavailable extends Error {
  override readonly name = 'SearchAttributesUnavailable';
  constructor(
    readonly namespace: string,
    readonly names: readonly string[],
    problem: string,
    cause?: unknown,
  ) {
    super(
      `Namespace ${namespace} ${problem}: ${names.join(', ')}. Register them, all of type Keyword, with ` +
        `\`temporal operator search-attribute create --namespace ${namespace} ${names.map((name) => `--name ${name} --type Keyword`).join(' ')}\` ` +
        '(on Temporal Cloud: `tcld namespace search-attributes add`).',
      { cause },
    );
  }
}

/**
 * Registers Slipway's search attributes where they are missing; resolves once queries may use them. Safe to repeat, and
 * by several at once. Other hosts of a large cluster may learn of new ones some seconds later.
 * @throws {SearchAttributesUnavailable}
 */
export async function ensureSearchAttributes(connection: Connection, namespace: string): Promise<void> {
  if (await areUsable(connection, namespace)) return;

  await until(async () => (await tryRegister(connection, namespace)) && (await areUsable(connection, namespace)), {
    what: `the search attributes of namespace ${namespace}`,
    withinMs: USABLE_WITHIN_MS,
    everyMs: 100,
  });
}

/** Returns false when the server is busy or somebody else registers at the same time: try again. */
async function tryRegister(connection: Connection, namespace: string): Promise<boolean> {
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const wrong = NAMES.filter((name) => customAttributes[name] && customAttributes[name] !== KEYWORD);
    if (wrong.length > 0)
      throw new SearchAttributesUnavailable(namespace, wrong, 'has these with another type than Keyword');

    const missing = NAMES.filter((name) => !customAttributes[name]);
    if (missing.length === 0) return true;
    const searchAttributes = Object.fromEntries(missing.map((name) => [name, KEYWORD]));
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
    return true;
  } catch (error) {
    if (!isGrpcServiceError(error)) throw error;
    switch (error.code as number) {
      case GRPC.ALREADY_EXISTS:
        return true;
      case GRPC.UNAVAILABLE:
      case GRPC.RESOURCE_EXHAUSTED:
        return false;
      case GRPC.PERMISSION_DENIED:
      case GRPC.UNAUTHENTICATED:
      case GRPC.UNIMPLEMENTED:
      case GRPC.INVALID_ARGUMENT: // ten of a type are taken already
        throw new SearchAttributesUnavailable(
          namespace,
          NAMES,
          'lacks search attributes that we could not register',
          error,
        );
      default:
        throw error;
    }
  }
}

/** Asks the way our lists do: a server that does not know one of the names refuses the query. */
async function areUsable(connection: Connection, namespace: string): Promise<boolean> {
  try {
    const query = NAMES.map((name) => `${name} = 'none'`).join(' OR ');
    await connection.workflowService.countWorkflowExecutions({ namespace, query });
    return true;
  } catch (error) {
    if (!isGrpcServiceError(error)) throw error;
    const code = error.code as number;
    if (code === GRPC.INVALID_ARGUMENT || code === GRPC.UNAVAILABLE || code === GRPC.RESOURCE_EXHAUSTED) return false;
    throw error;
  }
}
