import { randomUUID } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { command } from './command.js';
import { FILES, INIT, SSHD_CONFIG, SUPERVISOR } from './scripts.js';

const rule = z.object({ fromPort: z.number(), toPort: z.number(), ipRanges: z.array(z.string()) });
const rules = z.object({ ingressRules: z.array(rule), egressRules: z.array(rule) });

const machineSchema = z.object({
  cloudId: z.string(),
  refId: z.string(),
  cloudCredRefId: z.string(),
  attemptKey: z.string(),
  name: z.string(),
  createdAt: z.string(),
  tags: z.record(z.string(), z.string()),
  wanted: z.enum(['running', 'stopped', 'terminated']),
  network: z.object({ block: z.number(), link: z.string(), ours: z.string(), theirs: z.string() }),
  /** Those in force. */
  rules,
  /** A change of them was begun: some of these may be in force as well, some of the others may not. */
  doubtful: rules.optional(),
});

/** What is kept of one host, in `hosts/<cloudId>/machine.json`. */
export type MachineRecord = z.output<typeof machineSchema>;

export interface NewHost {
  record: MachineRecord;
  publicKeys: readonly string[];
  firewallScript: string;
  userData?: string;
}

/** The hosts of one state folder. Everything is written beside and moved in place: a crash leaves no half of anything. */
export class HostStore {
  constructor(readonly stateDir: string) {}

  folder(cloudId: string): string {
    return join(this.stateDir, 'hosts', cloudId);
  }

  /** Makes the host's folder. Answers `false`, and changes nothing, when there is one. */
  async add(host: NewHost): Promise<boolean> {
    await mkdir(join(this.stateDir, 'hosts'), { recursive: true, mode: 0o700 });
    const made = await mkdtemp(join(this.stateDir, 'new-'));
    try {
      await furnish(made, host);
      await rename(made, this.folder(host.record.cloudId));
      return true;
    } catch (error) {
      await rm(made, { recursive: true, force: true });
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
      throw error;
    }
  }

  async find(cloudId: string): Promise<MachineRecord | undefined> {
    if (!/^[a-z0-9-]+$/.test(cloudId)) return undefined; // it becomes a path
    try {
      const text = await readFile(join(this.folder(cloudId), 'machine.json'), 'utf8');
      return machineSchema.parse(JSON.parse(text));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Whole or an error; in the order of their ids. */
  async list(): Promise<MachineRecord[]> {
    const names = await readdir(join(this.stateDir, 'hosts')).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    const found = await Promise.all(names.sort().map((name) => this.find(name)));
    return found.filter((record) => record !== undefined);
  }

  async save(record: MachineRecord): Promise<void> {
    await writeInPlace(join(this.folder(record.cloudId), 'machine.json'), JSON.stringify(record, undefined, 2));
    await writeInPlace(join(this.folder(record.cloudId), FILES.settings), settingsOf(record));
  }

  async write(cloudId: string, file: string, text: string): Promise<void> {
    await writeInPlace(join(this.folder(cloudId), file), text);
  }

  /** One of the host's small files; `undefined` without it. */
  async read(cloudId: string, file: string): Promise<string | undefined> {
    return await readFile(join(this.folder(cloudId), file), 'utf8').catch(() => undefined);
  }

  async remove(cloudId: string): Promise<void> {
    await rm(this.folder(cloudId), { recursive: true, force: true });
  }
}

/** A copy of this computer's /etc, an empty /root and /home: they stay when the host stops. */
async function furnish(folder: string, { record, publicKeys, firewallScript, userData }: NewHost): Promise<void> {
  const files = join(folder, 'files');
  for (const own of ['root', 'home', 'usr/local/sbin']) await mkdir(join(files, own), { recursive: true, mode: 0o755 });
  await command('cp', ['-a', '/etc', join(files, 'etc')]);
  await cp('/usr/local/sbin', join(files, 'usr/local/sbin'), { recursive: true });
  const ssh = join(files, 'etc/ssh');
  for (const name of await readdir(ssh)) await rm(join(ssh, name), { recursive: true }); // this computer's own
  await command('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(ssh, 'slipway_host_key')]);
  await writeFile(join(ssh, 'slipway_authorized_keys'), `${[...new Set(publicKeys)].join('\n')}\n`, { mode: 0o644 });
  await writeFile(join(ssh, 'sshd_config'), SSHD_CONFIG, { mode: 0o644 });
  await writeFile(join(folder, 'supervisor.sh'), SUPERVISOR);
  await writeFile(join(folder, 'init.sh'), INIT);
  await writeFile(join(folder, FILES.firewall), firewallScript);
  await writeFile(join(folder, FILES.settings), settingsOf(record));
  if (userData !== undefined) await writeFile(join(folder, FILES.userData), userData, { mode: 0o600 });
  await writeFile(join(folder, 'machine.json'), JSON.stringify(record, undefined, 2));
}

function settingsOf({ cloudId, network: { link, ours, theirs } }: MachineRecord): string {
  return `link=${link}\nours=${ours}\ntheirs=${theirs}\nname=${cloudId}\n`;
}

async function writeInPlace(path: string, text: string): Promise<void> {
  const beside = `${path}.${randomUUID()}.new`;
  await writeFile(beside, text, { mode: 0o600 });
  await rename(beside, path);
}
