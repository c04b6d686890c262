import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import getPort from 'get-port';
import { describe, expect, it } from 'vitest';
import {
  connectClient,
  loadConnectionConfig,
  TemporalConfigInvalid,
  TemporalUnreachable,
} from '../../src/temporal/connection.js';

const folder = mkdtempSync(join(tmpdir(), 'slipway-connection-'));
const nobody = { HOME: folder };

describe("Temporal's own configuration", () => {
  it('names no server when there is none: then we may start one', () => {
    expect(loadConnectionConfig(nobody)).toMatchObject({
      explicit: false,
      namespace: 'default',
      connectionOptions: { address: '127.0.0.1:7233' },
    });
  });

  it('an address in the environment means: use that one', () => {
    const env = { ...nobody, TEMPORAL_ADDRESS: 'cluster:7233', TEMPORAL_NAMESPACE: 'gpu', TEMPORAL_API_KEY: 'k' };
    expect(loadConnectionConfig(env)).toMatchObject({
      explicit: true,
      namespace: 'gpu',
      connectionOptions: { address: 'cluster:7233', apiKey: 'k', tls: true },
    });
  });

  it('so does an address in a profile', () => {
    const env = {
      ...nobody,
      TEMPORAL_CONFIG_FILE: put('[profile.prod]\naddress = "prod:7233"\n'),
      TEMPORAL_PROFILE: 'prod',
    };
    expect(loadConnectionConfig(env)).toMatchObject({ explicit: true, connectionOptions: { address: 'prod:7233' } });
  });

  it('a namespace alone does not', () => {
    expect(loadConnectionConfig({ ...nobody, TEMPORAL_NAMESPACE: 'gpu' })).toMatchObject({
      explicit: false,
      namespace: 'gpu',
    });
  });

  it('an empty variable counts as unset', () => {
    expect(loadConnectionConfig({ ...nobody, TEMPORAL_ADDRESS: '' }).explicit).toBe(false);
  });

  it.each([
    ['is not there', () => join(folder, 'missing.toml')],
    ['is not TOML', () => put('[profile.default]\napi_key = "planted-secret\n')],
    ['holds no profile', () => put('')],
  ])('a file that %s is an error, which quotes nothing from it', (_why, file) => {
    const load = () => loadConnectionConfig({ ...nobody, TEMPORAL_CONFIG_FILE: file() });
    expect(load).toThrow(TemporalConfigInvalid);
    expect(load).not.toThrow(/planted-secret/);
  });
});

describe('a server that is not there', () => {
  it('is an error that names the address, soon', async () => {
    const address = `127.0.0.1:${await getPort()}`;
    const connecting = connectClient({ connectionOptions: { address }, namespace: 'default' }, { withinMs: 200 });
    await expect(connecting).rejects.toThrow(TemporalUnreachable);
    await expect(connecting).rejects.toMatchObject({ address });
  });
});

let files = 0;
function put(toml: string): string {
  files += 1;
  const path = join(folder, `${files}.toml`);
  writeFileSync(path, toml);
  return path;
}
