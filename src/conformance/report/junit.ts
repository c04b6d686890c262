import type { CheckResult, ConformanceReport } from '../result.js';

/**
 * The report as JUnit XML, in the dialect that CI systems agree on (https://github.com/testmoapp/junitxml, 2026): one suite, a
 * case for each check, its id for a name, evidence as `system-out`. What was left behind is a case of its own.
 */
export function toJUnit(report: ConformanceReport): string {
  const { provider, cloudCredRefId, startedAt, durationMs, checks, left } = report;
  const cases = [...checks, ...left.map(toLeftCase)];
  const count = (status: CheckResult['status']) => cases.filter((one) => one.status === status).length;
  const totals = {
    tests: cases.length,
    failures: count('failed'),
    errors: 0,
    skipped: count('skipped'),
    time: seconds(durationMs),
  };
  const properties = Object.entries({ provider, cloudCredRefId, offer: report.offer, refIdPrefix: report.refIdPrefix })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `      <property${attributes({ name, value })}/>`);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes({ name: 'slipway conformance', ...totals })}>`,
    `  <testsuite${attributes({ name: `conformance of ${provider}`, timestamp: startedAt.slice(0, 19), ...totals })}>`,
    '    <properties>',
    ...properties,
    '    </properties>',
    ...cases.flatMap((one) => toCase(one, provider)),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function toLeftCase(what: string, index: number): CheckResult {
  const id = `left-behind-${index + 1}`;
  return { id, title: 'everything that the run made was ended', status: 'failed', evidence: what, durationMs: 0 };
}

function toCase({ id, title, status, evidence, durationMs }: CheckResult, provider: string): string[] {
  const opening = `    <testcase${attributes({ name: id, classname: `conformance.${provider}`, time: seconds(durationMs) })}>`;
  if (status === 'failed') {
    const failure = `<failure${attributes({ type: 'NotConforming', message: title })}>${toXml(evidence)}</failure>`;
    return [opening, `      ${failure}`, '    </testcase>'];
  }
  if (status === 'skipped') return [opening, `      <skipped${attributes({ message: evidence })}/>`, '    </testcase>'];
  return [opening, `      <system-out>${toXml(`${title}: ${evidence}`)}</system-out>`, '    </testcase>'];
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(3);
}

function attributes(values: Record<string, string | number | undefined>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${toXml(String(value))}"`)
    .join('');
}

/** Code points that XML 1.0 has no way to write; lone halves of a pair among them. */
const isSpeakable = (code: number): boolean =>
  code === 9 ||
  code === 10 ||
  code === 13 ||
  (code >= 0x20 && code <= 0xd7ff) ||
  (code >= 0xe000 && code <= 0xfffd) ||
  code > 0xffff;
const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\n': '&#10;',
  '\r': '&#13;',
  '\t': '&#9;',
};

function toXml(text: string): string {
  const speakable = [...text].map((letter) => (isSpeakable(letter.codePointAt(0) ?? 0) ? letter : '\ufffd')).join('');
  return speakable.replace(/[&<>"\n\r\t]/g, (letter) => ENTITIES[letter] ?? letter);
}
