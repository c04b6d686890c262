/**
 * A process of its own that works on a journal until it is killed. `bundleChild` makes it one file: `node child.mjs <mode> <url> …`
 *
 * append <url> <prefix>: lives without end, in small pieces, several at once; prints `<refId>/<seq>` once the journal
 *   has said that an event is stored.
 * follow <url> <file>: appends the position of every event to the file, and begins after the last one in it.
 * open <url>: migrates, opens, prints `open`, ends.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { migrateJournal, openJournal } from '../../../src/journal/index.js';
import { SHAPES, stamp, west } from './lives.js';

const [mode, url = '', target = ''] = process.argv.slice(2);

async function appendForEver(): Promise<void> {
  const journal = await openJournal(url);
  const shapes = Object.values(SHAPES);
  const lane = async (name: string) => {
    for (let count = 0; ; count++) {
      const refId = `${name}-${count}`;
      const events = stamp(shapes[count % shapes.length]?.(refId, west) ?? []);
      for (let at = 0; at < events.length; at += 2) {
        const { seq } = await journal.append(refId, events.slice(at, at + 2));
        process.stdout.write(`${refId}/${seq}\n`);
      }
    }
  };
  await Promise.all(['x', 'y', 'z'].map((name) => lane(`${target}-${name}`)));
}

async function followForEver(): Promise<void> {
  const journal = await openJournal(url);
  const seen = existsSync(target) ? readFileSync(target, 'utf8').trimEnd().split('\n') : [];
  const after = Number(seen.at(-1) ?? 0);
  process.stdout.write(`following after ${after}\n`);
  for await (const { position } of journal.follow({ after, pollMs: 5 })) appendFileSync(target, `${position}\n`);
}

if (mode === 'append') await appendForEver();
else if (mode === 'follow') await followForEver();
else {
  await migrateJournal(url);
  const journal = await openJournal(url);
  await journal.append(target, stamp(SHAPES.ready?.(target, west) ?? []));
  await journal.close();
  process.stdout.write('open\n');
}
