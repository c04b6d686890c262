import { existsSync } from 'node:fs';
import { Client, type ClientOptions, Connection, type ConnectionOptions, isGrpcServiceError } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';

const DEFAULT_ADDRESS = '127.0.0.1:7233';
const CONNECT_WITHIN_MS = 5_000;

/** Fits `Connection.connect` and, with the worker's SDK, `NativeConnection.connect`. */
export type ServerConnectionOptions = { address: string; apiKey?: string } & Pick<
  ConnectionOptions,
  'tls' | 'metadata'
>;

export interface ConnectionConfig {
  connectionOptions: ServerConnectionOptions;
  namespace: string;
  /** The user named a server (TEMPORAL_ADDRESS, or a profile with an address): use it and start none. */
  explicit: boolean;
}

/** Temporal's own configuration cannot be read. The message never quotes it: it may hold an API key. */
export class TemporalConfigInvalid extends Error {
  override readonly name = 'TemporalConfigInvalid';
}

/** No usable connection to the server at `address` within the deadline. */
export class TemporalUnreachable extends Error {
  override readonly name = 'TemporalUnreachable';
  constructor(
    readonly address: string,
    cause: unknown,
  ) {
    super(
      `Temporal at ${address} cannot be reached. Start a server there, or correct TEMPORAL_ADDRESS ` +
        '(also TEMPORAL_TLS and TEMPORAL_API_KEY, and the profile in temporal.toml).',
      { cause },
    );
  }
}

/** Temporal answered and refused who we are. */
export class TemporalRefused extends Error {
  override readonly name = 'TemporalRefused';
  constructor(
    readonly address: string,
    cause: unknown,
  ) {
    super(`Temporal at ${address} refused our credentials. Correct TEMPORAL_API_KEY or the client certificate.`, {
      cause,
    });
  }
}

/**
 * Reads Temporal's own environment configuration: `TEMPORAL_ADDRESS`, `_NAMESPACE`, `_API_KEY`, `_TLS…`, `_PROFILE`, and
 * the same `temporal.toml` the CLI reads; variables win. Without any: `127.0.0.1:7233`, namespace `default`.
 * @throws {TemporalConfigInvalid}
 */
export function loadConnectionConfig(env: NodeJS.ProcessEnv = process.env): ConnectionConfig {
  const file = env.TEMPORAL_CONFIG_FILE;
  // The loader ignores a file that is not there; whoever named one would then be on another server than they think.
  if (file && !existsSync(file))
    throw new TemporalConfigInvalid(`TEMPORAL_CONFIG_FILE is ${file}, which does not exist.`);
  let loaded: ReturnType<typeof loadClientConnectConfig>;
  try {
    loaded = loadClientConnectConfig({ overrideEnvVars: toGiven(env) });
  } catch (error) {
    throw new TemporalConfigInvalid(toSafeSentence(error));
  }
  const { connectionOptions, namespace = 'default' } = loaded;
  const { address, apiKey, tls, metadata } = connectionOptions;
  return {
    connectionOptions: { address: address ?? DEFAULT_ADDRESS, apiKey, tls, metadata },
    namespace,
    explicit: address !== undefined,
  };
}

/**
 * Connects a client. The caller closes `client.connection`.
 * @param options.withinMs How long to try, 5 s by default.
 * @param options.client What else the client needs: a data converter, interceptors.
 * @throws {TemporalUnreachable | TemporalRefused}
 */
export async function connectClient(
  { connectionOptions, namespace }: Pick<ConnectionConfig, 'connectionOptions' | 'namespace'>,
  options: { withinMs?: number; client?: Omit<ClientOptions, 'connection' | 'namespace'> } = {},
): Promise<Client & { connection: Connection }> {
  const { withinMs = CONNECT_WITHIN_MS } = options;
  const { address } = connectionOptions;
  try {
    const connection = await Connection.connect({ ...connectionOptions, connectTimeout: withinMs });
    return new Client({ ...options.client, connection, namespace }) as Client & { connection: Connection };
  } catch (error) {
    throw isRefusal(error) ? new TemporalRefused(address, error) : new TemporalUnreachable(address, error);
  }
}

/** UNAUTHENTICATED or PERMISSION_DENIED: the server is there. */
function isRefusal(error: unknown): boolean {
  return isGrpcServiceError(error) && [16, 7].includes(error.code);
}

/** Set and not empty; but an empty TEMPORAL_GRPC_META_… says that the file's header is not to be sent. */
function toGiven(env: NodeJS.ProcessEnv): Record<string, string> {
  const given = Object.entries(env).filter(
    (entry): entry is [string, string] => Boolean(entry[1]) || entry[0].startsWith('TEMPORAL_GRPC_META_'),
  );
  return Object.fromEntries(given);
}

/** A TOML error quotes the lines around it, so we pass on where it is and not what it says. */
function toSafeSentence(error: unknown): string {
  if (error instanceof Error && 'line' in error && 'column' in error) {
    return `Temporal's configuration file is not valid TOML at line ${error.line}, column ${error.column}. Check TEMPORAL_CONFIG_FILE.`;
  }
  if (error instanceof TypeError) return "Temporal's configuration file has no [profile.NAME] section.";
  const reason = error instanceof Error ? error.message : String(error);
  return `Temporal's configuration cannot be read: ${reason}. Check the TEMPORAL_ variables and the file they name.`;
}
