import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { admits, admitsAnyLoopback } from './firewall.js';
import type { FirewallRules } from './types.js';

/** A port of the machine on which something listens. */
export interface Door {
  /** The port inside, which firewall rules speak of. */
  port: number;
  /** The one really bound, on the machine's address. */
  bindPort: number;
  /** Whether the program behind it is up; asked at every refresh. Default: yes. */
  isUp?: () => boolean;
  serve: (caller: Duplex) => void;
  /** Whether another port may stand in when `bindPort` cannot be bound. */
  mayMove?: boolean;
}

interface Hinged extends Door {
  server?: Server;
}

/**
 * The TCP ports of one machine. A port is bound while the machine is on, the program is up and the firewall lets
 * somebody on loopback in; what closing means is told in `firewall.ts`. Changes are applied one after another.
 */
export class Doors {
  readonly #doors = new Map<number, Hinged>();
  readonly #sockets = new Set<Socket>();
  #isOn = false;
  #applied: Promise<void> = Promise.resolve();

  constructor(
    private readonly address: string,
    private readonly rules: () => FirewallRules,
  ) {}

  /** Takes effect at the next refresh. */
  add(door: Door): void {
    this.#doors.set(door.port, { ...door });
  }

  /** At once. */
  remove(port: number): void {
    const door = this.#doors.get(port);
    this.#doors.delete(port);
    door?.server?.close();
  }

  /** From inside the machine: past the firewall, to whatever is up. */
  enter(port: number, caller: Duplex): boolean {
    const door = this.#doors.get(port);
    if (!door || !(door.isUp?.() ?? true)) return false;
    caller.on('error', () => undefined);
    door.serve(caller);
    return true;
  }

  ports(): number[] {
    return [...this.#doors.keys()];
  }

  /** The port really bound for a port inside; undefined while it is closed to all. */
  boundPort(port: number): number | undefined {
    const address = this.#doors.get(port)?.server?.address();
    return address && typeof address === 'object' ? address.port : undefined;
  }

  turnOn(): Promise<void> {
    this.#isOn = true;
    return this.refresh();
  }

  /** Connections die with it. */
  turnOff(): Promise<void> {
    this.#isOn = false;
    for (const socket of this.#sockets) socket.destroy();
    return this.refresh();
  }

  /**
   * Opens and closes ports until they are as the rules say. Established connections stay, as with any stateful firewall.
   * @throws {NodeJS.ErrnoException} when a port that may not move cannot be bound.
   */
  refresh(): Promise<void> {
    const next = this.#applied.then(() => this.#apply());
    this.#applied = next.catch(() => undefined);
    return next;
  }

  async #apply(): Promise<void> {
    for (const door of this.#doors.values()) {
      const wanted = this.#isOn && (door.isUp?.() ?? true) && admitsAnyLoopback(this.rules(), door.port);
      if (wanted && !door.server) door.server = await this.#bind(door);
      if (!wanted && door.server) {
        door.server.close();
        door.server = undefined;
      }
    }
  }

  async #bind(door: Hinged): Promise<Server> {
    const server = createServer((socket) => this.#welcome(door, socket));
    try {
      await listen(server, door.bindPort, this.address);
    } catch (error) {
      if (!door.mayMove) throw error;
      await listen(server, 0, this.address);
    }
    return server;
  }

  #welcome(door: Hinged, socket: Socket): void {
    socket.on('error', () => undefined); // whoever left early left early
    if (!this.#isOn || !admits(this.rules(), door.port, socket.remoteAddress ?? '')) {
      socket.resetAndDestroy();
      return;
    }
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    door.serve(socket);
  }
}

function listen(server: Server, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
