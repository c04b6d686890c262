import { randomUUID } from 'node:crypto';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { InstanceTypeSpec } from './catalog.js';
import type { SimClock } from './clock.js';
import { type Door, Doors } from './doors.js';
import type { BehaviourKind } from './fault-kinds.js';
import { SSH_PORT } from './firewall.js';
import type { Inside } from './shell.js';
import { SshServer } from './ssh-server.js';
import { type FirewallRules, type MachineRecord, toBytes } from './types.js';

/** What a computer needs to know of the cloud around it. */
export interface ComputerHost {
  clock: SimClock;
  instanceType(record: MachineRecord): InstanceTypeSpec;
}

/**
 * The computer behind a machine record: real ports on its address, an SSH server, and services that say one line. It
 * reads the record whenever it is asked something, so a changed rule, key or host key needs no message but a refresh.
 */
export class Computer {
  readonly #doors: Doors;
  /** For a firewall that does not take changes. */
  readonly #firstRules: FirewallRules;
  #ssh: SshServer | undefined;

  constructor(
    private readonly record: MachineRecord,
    private readonly host: ComputerHost,
  ) {
    this.#firstRules = record.firewallRules;
    this.#doors = new Doors(record.address, () => this.#rulesInForce());
    this.#doors.add({
      port: SSH_PORT,
      bindPort: record.sshPort,
      isUp: () => !this.#behaves('ssh-refused'),
      serve: (caller) => this.#serveSsh(caller),
    });
    for (const port of record.services) this.#doors.add(bannerDoor(port));
  }

  /** @throws {NodeJS.ErrnoException} when the SSH port of its address is taken. */
  powerOn(): Promise<void> {
    this.#ssh = new SshServer({
      hostKey: this.record.hostKey,
      user: this.record.sshUser,
      address: this.record.address,
      publicKeys: () => (this.#behaves('ssh-refuses-key') ? [] : this.record.publicKeys),
      inside: this.#inside(),
    });
    return this.#doors.turnOn();
  }

  /** Nobody gets in from this call on, and whoever is in is thrown out; resolves when the ports are free. */
  powerOff(): Promise<void> {
    this.#ssh = undefined;
    return this.#doors.turnOff();
  }

  /** Resolves when the ports are as the firewall rules, and time, say. */
  refreshPorts(): Promise<void> {
    return this.#doors.refresh();
  }

  /** Ports inside, and where they are bound on the address now; null: closed to everybody. */
  ports(): { port: number; boundPort: number | null }[] {
    return this.#doors.ports().map((port) => ({ port, boundPort: this.#doors.boundPort(port) ?? null }));
  }

  #serveSsh(caller: Duplex): void {
    if (!(caller instanceof Socket))
      caller.destroy(); // SSH to itself, over SSH: not simulated
    else if (this.#behaves('ssh-resets')) caller.resetAndDestroy();
    else if (this.#behaves('ssh-silent')) caller.resume();
    else this.#ssh?.accept(caller);
  }

  #rulesInForce(): FirewallRules {
    const { firewallRules: said } = this.record;
    if (this.#behaves('firewall-leaks')) return { ...said, ingressRules: [EVERY_PORT] };
    if (this.#behaves('firewall-shut')) return { ...said, ingressRules: [] };
    return this.#behaves('firewall-stuck') ? this.#firstRules : said;
  }

  #behaves(kind: BehaviourKind): boolean {
    return this.host.clock.now() < this.#behavesUntil(kind);
  }

  /** For behaviours that last a while from `running`, or for ever. */
  #behavesUntil(kind: BehaviourKind): number {
    const behaviour = this.record.behaviours.find((one) => one.kind === kind);
    if (!behaviour) return Number.NEGATIVE_INFINITY;
    return behaviour.delayMs === 0 ? Number.POSITIVE_INFINITY : (this.record.bootedAt ?? 0) + behaviour.delayMs;
  }

  #inside(): Inside {
    const { record, host } = this;
    const { architecture, gpu } = host.instanceType(record);
    const cloudInitEnd = (): number => Math.max(record.cloudInitUntil ?? 0, this.#behavesUntil('cloud-init-hangs'));
    return {
      hostname: record.name,
      user: record.sshUser,
      architecture: architecture === 'arm64' ? 'aarch64' : architecture,
      gpu,
      diskBytes: () => toBytes(record.diskSize),
      osName: record.imageId.includes('24.04') ? 'Ubuntu 24.04.3 LTS' : 'Ubuntu 22.04.5 LTS',
      bootId: randomUUID(),
      containers: new Map(),
      isCloudInitDone: () => host.clock.now() >= cloudInitEnd(),
      cloudInit: () =>
        cloudInitEnd() === Number.POSITIVE_INFINITY
          ? new Promise(() => undefined)
          : host.clock.wait(cloudInitEnd() - host.clock.now()),
      ports: () => this.#doors.ports(),
      enter: (port, caller) => this.#doors.enter(port, caller),
      listen: async (port) => {
        if (this.#doors.ports().includes(port)) return undefined;
        this.#doors.add(bannerDoor(port));
        await this.#doors.refresh();
        return () => this.#doors.remove(port);
      },
    };
  }
}

const EVERY_PORT = { id: 'every-port', fromPort: 1, toPort: 65_535, ipRanges: [] };

/** Something that says one line and hangs up, so that a caller knows whom it reached. */
function bannerDoor(port: number): Door {
  return { port, bindPort: port, mayMove: true, serve: (caller) => caller.end(`simcloud service on port ${port}\n`) };
}
