import { describe, expect, it } from 'vitest';
import { type CheckResult, type ConformanceReport, toJUnit } from '../../src/conformance/index.js';
import { parseXml, type XmlElement } from './xml.js';

const check = (id: string, status: CheckResult['status'], evidence: string): CheckResult => ({
  id,
  title: `${id} holds`,
  status,
  evidence,
  durationMs: 1_234,
});

const report = (checks: CheckResult[], left: string[] = []): ConformanceReport => ({
  suite: 'slipway-conformance',
  version: 1,
  provider: 'acme',
  cloudCredRefId: 'acme-main',
  refIdPrefix: 'slipway-conf-x',
  offer: 'here-noSub-gpu_1x_a10',
  startedAt: '2026-11-23T09:30:00.000Z',
  durationMs: 9_876,
  isInterrupted: false,
  passed: 1,
  failed: 1,
  skipped: 1,
  checks,
  left,
});

const THREE = [
  check('types.listed', 'passed', '8 types'),
  check('ssh.login', 'failed', 'it said <no> & "never"\n\u0000\u001b[31m'),
  check('stop.waits', 'skipped', 'stop-start-instance is not declared'),
];

describe('the JUnit report', () => {
  it('is a well-formed document: suites, one suite with its properties, a case for each check', () => {
    const root = parseXml(toJUnit(report(THREE)));
    expect(root.name).toBe('testsuites');
    const [suite] = root.children;
    expect(suite).toMatchObject({ name: 'testsuite', attributes: { timestamp: '2026-11-23T09:30:00' } });
    const [properties, ...cases] = suite?.children ?? [];
    expect(properties?.children.map(({ attributes }) => attributes.name)).toContain('refIdPrefix');
    expect(cases.map(({ name, attributes }) => [name, attributes.name, attributes.classname])).toEqual(
      THREE.map(({ id }) => ['testcase', id, 'conformance.acme']),
    );
    for (const one of [root, suite]) {
      expect(one?.attributes).toMatchObject({ tests: '3', failures: '1', errors: '0', skipped: '1', time: '9.876' });
    }
  });

  it('has what each case should: output, a failure with type, message and text, or the reason to skip', () => {
    const [passed, failed, skipped] = casesOf(toJUnit(report(THREE)));
    expect(passed?.children).toMatchObject([{ name: 'system-out', text: 'types.listed holds: 8 types' }]);
    expect(failed?.children).toMatchObject([
      { name: 'failure', attributes: { type: 'NotConforming', message: 'ssh.login holds' } },
    ]);
    expect(failed?.children[0]?.text).toBe('it said <no> & "never"\n\ufffd\ufffd[31m');
    expect(skipped?.children).toMatchObject([{ name: 'skipped', attributes: { message: THREE[2]?.evidence } }]);
  });

  it('fails for what was left behind, even if every check passed', () => {
    const xml = toJUnit(report(THREE.slice(0, 1), ['i-1: it stays']));
    expect(parseXml(xml).attributes).toMatchObject({ tests: '2', failures: '1' });
    expect(casesOf(xml)[1]?.children[0]).toMatchObject({ name: 'failure', text: 'i-1: it stays' });
  });
});

function casesOf(xml: string): XmlElement[] {
  return (parseXml(xml).children[0]?.children ?? []).filter(({ name }) => name === 'testcase');
}
