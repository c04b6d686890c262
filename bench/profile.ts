import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const schema = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.number() }),
    }),
  ),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
});

const SHOWN = 25;
const IDLE = new Set(['(idle)', '(program)', '(root)']);

/** Where the workers of a run spent their CPU, from what `node --cpu-prof` left: one list per thread, own time only. */
export async function hotSpots(folder: string): Promise<string> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.cpuprofile')).sort();
  const lists = await Promise.all(
    files.map(async (name) => toList(name, schema.parse(JSON.parse(await readFile(join(folder, name), 'utf8'))))),
  );
  return lists.join('\n\n');
}

function toList(name: string, { nodes, samples, timeDeltas }: z.output<typeof schema>): string {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const own = new Map<string, number>();
  let busy = 0;
  for (const [index, id] of samples.entries()) {
    const frame = frames.get(id);
    if (!frame || IDLE.has(frame.functionName)) continue;
    const { functionName, url, lineNumber } = frame;
    const key = `${functionName || '(anonymous)'} ${toPath(url)}:${lineNumber + 1}`;
    const us = timeDeltas[index] ?? 0;
    own.set(key, (own.get(key) ?? 0) + us);
    busy += us;
  }
  const top = [...own].sort(([, a], [, b]) => b - a).slice(0, SHOWN);
  const lines = top.map(([key, us]) => `${((100 * us) / busy).toFixed(1).padStart(6)}%  ${key}`);
  return [`${name}: ${(busy / 1e6).toFixed(1)} s of CPU in JavaScript`, ...lines].join('\n');
}

function toPath(url: string): string {
  const path = url.startsWith('file:') ? fileURLToPath(url) : url;
  return path.replace(/^.*\/(?=node_modules\/|dist\/)/, '');
}
