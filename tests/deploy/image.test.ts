import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Copy, DockerfileParser } from 'dockerfile-ast';
import { validate } from 'dockerfile-utils';
import { describe, expect, it } from 'vitest';
import { readDockerfile } from '../topology/dockerfile.js';
import { ROOT } from '../topology/processes.js';

const FILE = join(ROOT, 'Dockerfile');
const text = await readFile(FILE, 'utf8');
const dockerfile = DockerfileParser.parse(text);
const image = readDockerfile(FILE);

describe('the Dockerfile', () => {
  it('is valid', () => {
    expect(validate(text)).toEqual([]);
    expect(validate(text.replace('ENTRYPOINT', 'ENTRYPIONT'))).not.toEqual([]);
  });

  it('builds in one stage and runs in another, on pinned Debian images', () => {
    const images = dockerfile.getFROMs().map((from) => from.getImage());
    expect(images).toHaveLength(2);
    for (const one of images) expect(one).toMatch(/^node:\d+\.\d+\.\d+-bookworm-slim$/);
  });

  it('runs as nobody special, what it cannot change', () => {
    const instructions = dockerfile.getInstructions();
    const user = instructions.findLastIndex((one) => one.getKeyword() === 'USER');
    expect(instructions[user]?.getArgumentsContent()).toBe('node');
    // Whatever is copied was copied before, hence as root's.
    expect(instructions.slice(user).map((one) => one.getKeyword())).not.toContain('COPY');
    expect(dockerfile.getCOPYs().flatMap((copy) => copy.getFlags().map((flag) => flag.getName()))).not.toContain(
      'chown',
    );
  });

  it('runs one process, which gets SIGTERM itself, and says whether it is well', () => {
    expect(image).toMatchObject({
      workdir: '/app',
      entrypoint: ['node', 'dist/cli/main.js'],
      command: ['worker'],
      healthcheck: ['node', 'dist/cli/main.js', 'health'],
      environment: { SLIPWAY_HEALTH_ADDRESS: '0.0.0.0:8090' },
    });
  });

  it('has no secret among its arguments and variables', () => {
    expect(Object.keys(image.environment).sort()).toEqual([
      'MALLOC_TRIM_THRESHOLD_',
      'NODE_ENV',
      'SLIPWAY_HEALTH_ADDRESS',
    ]);
    expect(dockerfile.getARGs()).toEqual([]);
  });

  it('copies what is there, and what .dockerignore lets through', async () => {
    const [first, ...rest] = (await readFile(join(ROOT, '.dockerignore'), 'utf8'))
      .split('\n')
      .filter((one) => /^[^#]/.test(one));
    expect(first).toBe('*');
    expect(rest.every((one) => one.startsWith('!'))).toBe(true);
    const fromHere = dockerfile.getCOPYs().filter((copy) => copy.getFromFlag() === null);
    const sources = fromHere.flatMap((copy: Copy) =>
      copy
        .getArguments()
        .map((one) => one.getValue())
        .slice(0, -1),
    );
    expect(sources).toContain('src');
    for (const source of sources) {
      expect(existsSync(join(ROOT, source)), source).toBe(true);
      expect(rest).toContain(`!${source.replace('./', '')}`);
    }
    expect(rest.map((one) => one.slice(1)).filter((one) => !sources.includes(one))).toEqual([]);
  });
});
