import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatMs } from '../../domain/duration.js';
import { EXIT } from '../exit-codes.js';
import { Interrupted, toFailure, toText } from '../failure.js';
import { invocation } from '../invocation.js';
import { untilAskedToStop } from '../signals.js';
import { print, say } from '../terminal.js';
import { tellAll } from './scenes.js';
import { type Stage, setStage } from './stage.js';
import { Story } from './story.js';

const next = () => `
Next, to play with: \`npm run dev\` starts Temporal with its UI, the simulated
cloud and a worker, keeps them in .slipway/, and says what to try.
Every command: ${invocation()} --help`;

/** The whole lifecycle, told; the cloud's own count decides how it ends. Leaves nothing behind, however it ends. */
export async function runDemo(): Promise<void> {
  const story = new Story(Date.now());
  const folder = mkdtempSync(join(tmpdir(), 'slipway-demo-'));
  let keepsFolder = false;
  // Last of all: by then no child is left that could write there.
  process.once('exit', () => keepsFolder || rmSync(folder, { recursive: true, force: true }));
  const undo: (() => Promise<unknown>)[] = [];
  try {
    const stage = await unlessInterrupted((onCrash) => setAndPlay(folder, story, undo, onCrash));
    await conclude(stage, Date.now() - story.began);
  } catch (error) {
    story.giveUp();
    const failure = toFailure(error);
    process.exitCode = failure.exitCode;
    keepsFolder = failure.exitCode !== EXIT.interrupted;
    say(
      `\n${keepsFolder ? `The demo failed. ${toText(failure, error)}\nThe logs are kept in ${folder}` : failure.message}`,
    );
  } finally {
    for (const one of undo.reverse()) await one().catch((error: unknown) => say(`While cleaning up: ${error}`));
  }
  process.exit(); // what was interrupted half-way must not go on
}

async function setAndPlay(
  folder: string,
  story: Story,
  undo: (() => Promise<unknown>)[],
  onCrash: (error: Error) => void,
): Promise<Stage> {
  say('Starting Temporal, the simulated cloud and a worker …');
  const stage = await setStage(folder, (one) => undo.push(one), onCrash);
  print(`Slipway demo, on Temporal at ${stage.address}. Scenes overlap where they can;`);
  print('each is told as a whole, with the seconds since the start.');
  await tellAll(stage, story);
  return stage;
}

/** Ctrl-C, or the crash of something we started, ends the work at whatever point it is. */
async function unlessInterrupted<T>(work: (onCrash: (error: Error) => void) => Promise<T>): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    void untilAskedToStop().then(() => reject(new Interrupted('Interrupted. Stopping what was started …')));
    work(reject).then(resolve, reject);
  });
}

/** The last word is the cloud's, not ours. */
async function conclude({ cloud }: Stage, tookMs: number): Promise<void> {
  const { created, running, doubled, leaked, doubledIds, leakedIds } = await cloud.control.report({
    ownedCloudIds: [],
  });
  const isClean = running === 0 && doubled === 0 && leaked === 0;
  print(`
The simulated cloud’s own ledger:
  created        ${created}
  still running  ${running}
  doubled        ${doubled}
  leaked         ${leaked}`);
  if (isClean) print(`\nAll as it should be, in ${formatMs(tookMs)}.\n${next()}`);
  else {
    print(`\nThat is a bug of ours: ${[...new Set([...doubledIds, ...leakedIds])].join(', ')}`);
    process.exitCode = EXIT.bug;
  }
}
