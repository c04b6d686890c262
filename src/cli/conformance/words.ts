import {
  type Account,
  type Check,
  type CheckResult,
  type ConformanceReport,
  type Cost,
  MACHINES_AT_ONCE,
} from '../../conformance/index.js';
import type { Money } from '../../domain/money.js';
import type { CloudInstance, InstanceType } from '../../domain/provider.js';
import { type Column, table } from '../table.js';
import { terminalOf } from '../terminal.js';

/** What will happen, and what it costs. */
export function announcement({
  account,
  checks,
  offer,
  cost,
}: {
  account: Account;
  checks: readonly Check[];
  offer?: InstanceType;
  cost?: Cost;
}): string[] {
  const lines = [`${checks.length} checks of ${account.provider}, in the account ${account.cloudCredRefId}.`];
  if (!offer)
    return [...lines, 'What is sold there cannot be read: nothing can be rented, and the checks will say so.'];
  const price = cost?.pricePerHour
    ? `${inWords(cost.pricePerHour)} an hour each`
    : 'at a price that the provider does not name';
  lines.push(`They rent ${offer.instanceType} at ${offer.location}, at most ${MACHINES_AT_ONCE} at once, ${price}.`);
  if (cost?.usual && cost.most)
    lines.push(
      `Usually half an hour, some ${inWords(cost.usual)}; if all takes as long as it may, ${inWords(cost.most)}.`,
    );
  lines.push(
    'A worker with SLIPWAY_STRAYS=terminate in this account would end these machines: they are nobody’s order.',
  );
  return lines;
}

export function leftoverLines(machines: readonly CloudInstance[]): string[] {
  return [
    `An earlier run left ${machines.length === 1 ? 'a machine' : `${machines.length} machines`}, to be ended first:`,
    ...machines.map(({ cloudId, refId, location, status }) => `  ${cloudId} (${refId}) at ${location}, ${status}`),
  ];
}

const MARKS = { passed: 'ok', failed: 'FAILED', skipped: '-' } as const;

export function progressLine({ id, status, evidence, durationMs }: CheckResult): string {
  return `${MARKS[status].padEnd(6)}  ${id.padEnd(20)}  ${time(durationMs).padStart(7)}  ${evidence}`;
}

const COLUMNS: Column<CheckResult>[] = [
  { title: 'CHECK', text: ({ id }) => id },
  { title: 'RESULT', text: ({ status }) => status },
  { title: 'TIME', text: ({ durationMs }) => time(durationMs) },
  { title: 'WHAT WAS SEEN', text: ({ evidence }) => evidence.replace(/\s+/g, ' '), min: 20 },
];

export function reportLines(report: ConformanceReport): string[] {
  const { checks, passed, failed, skipped, left, provider, isInterrupted } = report;
  const wrong = checks.filter(({ status }) => status === 'failed');
  const verdict = failed > 0 ? 'does not conform' : isInterrupted ? 'was not tried to the end' : 'conforms';
  return [
    ...table(COLUMNS, checks, terminalOf().width),
    '',
    ...wrong.flatMap(({ id, title, evidence }) => [`${id}: ${title}.`, `  But: ${evidence}`]),
    ...left.map((what) => `STILL THERE, and it may bill: ${what}`),
    `${provider} ${verdict}: ${passed} passed, ${failed} failed, ${skipped} skipped.`,
  ];
}

function inWords({ amount, currency }: Money): string {
  return `${amount} ${currency}`;
}

function time(ms: number): string {
  return ms < 1_000 ? `${ms}ms` : `${(ms / 1_000).toFixed(1)}s`;
}
