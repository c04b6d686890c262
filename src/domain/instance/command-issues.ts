import type { CommandName } from './commands.js';
import {
  checkSize,
  checkText,
  checkUnknown,
  type Fields,
  firewallIssues,
  LIMITS,
  type Report,
  type RequestIssue,
  tagIssues,
} from './request.js';

/** The fields of each command's own, and what must hold for them. */
const CHECKS: Record<CommandName, Record<string, (value: unknown, path: string, report: Report) => void>> = {
  stop: {},
  start: {},
  reboot: {},
  terminate: { reason: optional(text(LIMITS.reason)) },
  retry: {},
  release: { reason: text(LIMITS.reason), cloudId: optional(text(LIMITS.actor)), attempt: optional(ordinal) },
  setFirewallRules: { firewallRules: firewallIssues },
  updateTags: { tags: tagIssues },
  changeInstanceType: { instanceType: text(LIMITS.word) },
  resizeVolume: { size: checkSize },
};

/**
 * Everything that is wrong with a command's input, by field: it may come from any Temporal SDK, unchecked. Whether the
 * instance can follow it is for `decide`.
 */
export function commandIssues(command: { type: CommandName; requestId: unknown }): RequestIssue[] {
  const issues: RequestIssue[] = [];
  const report: Report = (path, message) => issues.push({ path, message });
  const { type, requestId, actor, ...fields } = command as Fields & { type: CommandName };
  checkText(requestId, 'requestId', LIMITS.requestId, report);
  if (actor !== undefined) checkText(actor, 'actor', LIMITS.actor, report);
  const checks = CHECKS[type];
  checkUnknown(fields, '', Object.keys(checks), report);
  for (const [field, check] of Object.entries(checks)) check(fields[field], field, report);
  return issues;
}

function text(max: number) {
  return (value: unknown, path: string, report: Report) => checkText(value, path, max, report);
}

function ordinal(value: unknown, path: string, report: Report): void {
  if (!Number.isSafeInteger(value) || (value as number) < 1) report(path, 'must be a whole number from 1');
}

function optional(check: (value: unknown, path: string, report: Report) => void): typeof check {
  return (value, path, report) => {
    if (value !== undefined) check(value, path, report);
  };
}
