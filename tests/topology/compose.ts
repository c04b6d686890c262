/** docker-compose.yml, as Compose reads it: merged, interpolated, one service at a time. Only what our file uses. */
import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { parse } from 'yaml';

export type Condition = 'service_started' | 'service_healthy' | 'service_completed_successfully';

export interface Mount {
  /** A path on this computer, or the name of a volume. */
  source: string;
  target: string;
}

export interface Service {
  name: string;
  image: string;
  command: string[];
  environment: Record<string, string>;
  mounts: Mount[];
  dependsOn: Record<string, Condition>;
  profiles: string[];
  /** `off` when the file switches the image's own off. */
  healthcheck: { test: string[] } | 'off' | undefined;
  restart: 'no' | 'on-failure' | 'unless-stopped';
  stopGraceMs: number;
}

/** What the environment and `.env` hold when Compose reads the file. */
export type Variables = Readonly<Record<string, string>>;

interface RawService {
  image: string;
  command?: string[];
  environment?: Record<string, string>;
  volumes?: string[];
  depends_on?: Record<string, { condition: Condition }>;
  profiles?: string[];
  healthcheck?: { test?: string[]; disable?: boolean };
  restart?: Service['restart'];
  stop_grace_period?: string;
}

export class Compose {
  private readonly services: Record<string, RawService>;

  constructor(readonly file: string) {
    this.services = (parseCompose(file) as { services: Record<string, RawService> }).services;
  }

  get names(): string[] {
    return Object.keys(this.services);
  }

  service(name: string, variables: Variables): Service {
    const found = this.services[name];
    if (!found) throw new Error(`${this.file} has no service ${name}`);
    const raw = interpolate(found, variables) as RawService;
    const { healthcheck } = raw;
    return {
      name,
      image: raw.image,
      command: raw.command ?? [],
      environment: raw.environment ?? {},
      mounts: (raw.volumes ?? []).map((volume) => this.toMount(volume)),
      dependsOn: Object.fromEntries(
        Object.entries(raw.depends_on ?? {}).map(([other, { condition }]) => [other, condition]),
      ),
      profiles: raw.profiles ?? [],
      healthcheck: healthcheck?.disable ? 'off' : healthcheck?.test && { test: healthcheck.test },
      restart: raw.restart ?? 'no',
      stopGraceMs: Number(/^(\d+)s$/.exec(raw.stop_grace_period ?? '10s')?.[1]) * 1000,
    };
  }

  private toMount(volume: string): Mount {
    const [source = '', target = ''] = volume.split(':');
    const isPath = source.startsWith('.') || isAbsolute(source);
    return { source: isPath ? resolve(dirname(this.file), source) : source, target };
  }
}

/** YAML with its merge keys, nothing interpolated. */
export function parseCompose(file: string): unknown {
  return parse(readFileSync(file, 'utf8'), { merge: true });
}

const VARIABLE = /\$(?:\$|\{(\w+)(?:(:-|:\?)([^}]*))?\})/g;

/** `${NAME}`, `${NAME:-default}`, `${NAME:?why}` and `$$`, in every text of the value. */
export function interpolate(value: unknown, variables: Variables): unknown {
  if (typeof value === 'string') {
    return value.replace(VARIABLE, (whole, name?: string, operator?: string, rest = '') => {
      if (name === undefined) return '$';
      if (variables[name]) return variables[name];
      if (operator === ':?') throw new Error(`${name} ${rest} (${whole})`);
      return operator === ':-' ? rest : '';
    });
  }
  if (Array.isArray(value)) return value.map((item) => interpolate(item, variables));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, interpolate(field, variables)]));
}
