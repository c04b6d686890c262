import { access, constants, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline/promises';
import type { Env } from '../../config/source.js';
import { loadConfig } from '../../config.js';
import {
  type Account,
  accountOf,
  type Check,
  CONTRACT_TIMING,
  type ConformanceReport,
  chooseOffer,
  costOf,
  endAll,
  findLeftovers,
  patient,
  runConformance,
  type SshDoor,
  selectChecks,
  type Timing,
  toJUnit,
  UnknownCheck,
  type Wanted,
} from '../../conformance/index.js';
import { redact } from '../../redact.js';
import { workerEnvironment } from '../dev/environment.js';
import { EXIT } from '../exit-codes.js';
import { BadInput, Interrupted } from '../failure.js';
import { untilAskedToStop } from '../signals.js';
import { print, say } from '../terminal.js';
import { announcement, leftoverLines, progressLine, reportLines } from './words.js';

export interface ConformanceOptions {
  location?: string;
  instanceType?: string;
  maxPrice?: string;
  only?: string[];
  skip?: string[];
  json?: string;
  junit?: string;
  yes?: boolean;
}

/** What tests put in its place. */
export interface ConformanceDeps {
  env?: Env;
  account?: Account;
  timing?: Partial<Timing>;
  ssh?: SshDoor;
  /** Whether somebody is there to answer. */
  isTty?: boolean;
  ask?: (question: string, signal: AbortSignal) => Promise<string>;
  /** Resolves when the person wants it to end. */
  asked?: Promise<unknown>;
}

/**
 * Runs the suite for one account. @returns the exit code. @throws {BadInput} before anything is rented: an unknown
 * account or check, a file that cannot be written, nothing to rent that fits, nobody to ask.
 */
export async function conformance(
  cloudCredRefId: string,
  options: ConformanceOptions,
  deps: ConformanceDeps = {},
): Promise<number> {
  const checks = toChecks(options);
  for (const file of [options.json, options.junit]) if (file !== undefined) await mustBeWritable(file);
  const account =
    deps.account ?? findAccount(cloudCredRefId, deps.env ?? workerEnvironment(process.env, process.cwd()));
  const wanted: Wanted = {
    location: options.location,
    instanceType: options.instanceType,
    maxPricePerHour: options.maxPrice,
  };

  const stop = new AbortController();
  void (deps.asked ?? untilAskedToStop()).then(() => {
    if (!stop.signal.aborted) say('\nStopping: what was rented is ended first. Ctrl-C again leaves it, and it bills.');
    stop.abort();
  });
  const { signal } = stop;
  await mustBeAgreed(account, checks, wanted, options, deps, signal);

  const report = await runConformance({
    account,
    checks,
    wanted,
    signal,
    ...(deps.timing && { timing: deps.timing }),
    ...(deps.ssh && { ssh: deps.ssh }),
    onResult: (result) => say(progressLine(result)),
    onCleanUp: () => say('ending what was made'),
  });
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (options.junit !== undefined) await writeFile(options.junit, toJUnit(report));
  print(reportLines(report).join('\n'));
  return exitCodeOf(report);
}

function exitCodeOf({ failed, left, isInterrupted }: ConformanceReport): number {
  if (failed > 0 || left.length > 0) return EXIT.bug;
  return isInterrupted ? EXIT.interrupted : EXIT.done;
}

function toChecks({ only, skip }: ConformanceOptions): Check[] {
  try {
    const checks = selectChecks({ ...(only && { only }), ...(skip && { skip }) });
    if (checks.length === 0) throw new BadInput('--only and --skip leave no check.');
    return checks;
  } catch (error) {
    if (error instanceof UnknownCheck) throw new BadInput(error.message);
    throw error;
  }
}

/** Credentials as the worker reads them. */
function findAccount(cloudCredRefId: string, env: Env): Account {
  const { credentials } = loadConfig(env);
  const credential = credentials.find((one) => one.cloudCredRefId === cloudCredRefId);
  if (credential) return accountOf(credential);
  const known = credentials.map((one) => one.cloudCredRefId).join(', ');
  throw new BadInput(`There is no account ${cloudCredRefId} in SLIPWAY_CREDENTIALS; there is ${known}.`);
}

/** Found out before an hour of renting, not after. */
async function mustBeWritable(file: string): Promise<void> {
  const exists = await access(file).then(
    () => true,
    () => false,
  );
  await access(exists ? file : dirname(file), constants.W_OK).catch(() => {
    throw new BadInput(`${file} cannot be written.`);
  });
}

/** What it costs, and what earlier runs left, is said; somebody agrees, or `--yes` did. */
async function mustBeAgreed(
  account: Account,
  checks: readonly Check[],
  wanted: Wanted,
  { yes = false }: ConformanceOptions,
  deps: ConformanceDeps,
  signal: AbortSignal,
): Promise<void> {
  const provider = patient(account.open());
  const leftovers = await findLeftovers(provider, signal).catch((error: unknown) => {
    if (!signal.aborted)
      say(`What earlier runs left cannot be seen now, and is looked for at the end: ${redact(String(error))}`);
    return [];
  });
  const offer = await provider.listInstanceTypes(signal).then(
    (types) => chooseOffer(types, wanted),
    () => undefined, // a check will say what is wrong
  );
  const timing = { ...CONTRACT_TIMING, ...deps.timing };
  say(announcement({ account, checks, offer, cost: offer && costOf(offer, timing) }).join('\n'));
  if (leftovers.length > 0) say(leftoverLines(leftovers).join('\n'));

  if (!yes) {
    if (!(deps.isTty ?? (process.stdin.isTTY === true && process.stderr.isTTY === true)))
      throw new BadInput('Nobody is here to be asked: say --yes to let it rent.');
    const answer = await (deps.ask ?? askOnTerminal)('Go on? [y/N] ', signal);
    if (!/^y(?:es)?$/i.test(answer.trim())) throw new BadInput('Not run: nobody said yes.');
  }
  const stuck = await endAll(provider, leftovers, { signal, withinMs: timing.goneMs });
  for (const { machine, why } of stuck) say(`left of an earlier run, and not ended: ${machine.cloudId}: ${why}`);
}

async function askOnTerminal(question: string, signal: AbortSignal): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  terminal.once('SIGINT', () => process.kill(process.pid, 'SIGINT')); // readline keeps it to itself
  try {
    return await terminal.question(question, { signal });
  } catch (error) {
    throw signal.aborted ? new Interrupted('Not run.') : error;
  } finally {
    terminal.close();
  }
}
