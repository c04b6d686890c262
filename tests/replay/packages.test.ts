import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Duration } from '@temporalio/common';
import type { ActivityOptions } from '@temporalio/workflow';
import { describe, expect, it } from 'vitest';

/** The traps of installing Temporal 1.24, each with a guard: `spec/temporal.md`, section 0. */
const root = fileURLToPath(new URL('../../', import.meta.url));
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const lock = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8'));
const installed = Object.entries(lock.packages as Record<string, { version?: string; name?: string }>);
const copiesOf = (name: string) => installed.filter(([path]) => path.endsWith(`node_modules/${name}`));

describe('the packages', () => {
  it('of Temporal all have one version, pinned exactly', () => {
    const wanted = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies } as Record<string, string>);
    const ours = wanted.filter(([name]) => name.startsWith('@temporalio/')).map(([, version]) => version);
    expect(ours.length).toBeGreaterThan(5);
    expect(new Set(ours).size).toBe(1);
    for (const [name, version] of wanted) expect(version, name).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/);
    const present = installed.filter(([path]) => /node_modules\/@temporalio\/[^/]+$/.test(path));
    const versions = new Set(present.map(([, { version }]) => version));
    expect([...versions]).toEqual([ours[0]]);
  });

  it('share one protobufjs 8 at the top, or no history in JSON can be read', () => {
    const copies = copiesOf('protobufjs').filter(([, { version = '' }]) => version.startsWith('8.'));
    expect(copies.map(([path]) => path)).toEqual(['node_modules/protobufjs']);
    const top = JSON.parse(readFileSync(`${root}node_modules/protobufjs/package.json`, 'utf8'));
    expect(top.version).toMatch(/^8\./);
    for (const name of ['common', 'proto', 'worker', 'client']) {
      expect(existsSync(`${root}node_modules/@temporalio/${name}/node_modules/protobufjs`), name).toBe(false);
    }
  });

  it('let a mistyped duration not compile', () => {
    const right: Duration = '10 seconds';
    // @ts-expect-error with the types of `ms` hidden every duration is `any`, and this compiles
    const wrong: Duration = '10 secondz';
    // @ts-expect-error
    const options: ActivityOptions = { startToCloseTimeout: { seconds: 10 } };
    expect([right, wrong, options]).toHaveLength(3); // `npm run types` is what fails
  });
});
