import { describe, expect, it } from 'vitest';
import { choosePorts } from '../../src/activities/firewall/ports.js';
import type { FirewallRule, FirewallRules } from '../../src/domain/firewall.js';

const US = '198.51.100.7';
const OTHERS = '192.0.2.0/24';
const SSH = [22];

const rule = (ports: number | [number, number], ...ipRanges: string[]): FirewallRule => {
  const [fromPort, toPort] = Array.isArray(ports) ? ports : [ports, ports];
  return { fromPort, toPort, ipRanges };
};
const rules = (...ingressRules: FirewallRule[]): FirewallRules => ({ ingressRules, egressRules: [] });
const mapping = (...ports: number[]) => ports.map((port) => ({ port, publicPort: 40_000 + port }));
const portsOf = (chosen: { port: number }[]) => chosen.map(({ port }) => port);

describe('behind port mappings', () => {
  it('only a mapped port is proved shut: where nobody maps one, that is said', () => {
    const { spare, unproved } = choosePorts({ rules: rules(rule(8_080)) }, US, SSH, mapping(22, 8_080));
    expect(spare).toEqual([]);
    expect(unproved).toEqual([expect.stringContaining('a port without a rule is shut')]);
  });

  it('a rule that was taken away is proved at a mapped port of it, or said to be unproved', () => {
    const before = rules(rule([8_000, 8_100]), rule(9_000));
    const { revoked, unproved } = choosePorts({ rules: rules(), before }, US, SSH, mapping(22, 8_080));
    expect(revoked).toEqual([{ port: 8_080, publicPort: 48_080, rule: '8000-8100', isRevoked: true }]);
    expect(unproved).toEqual(['rule 9000 is gone']);
  });
});

describe('rules that were taken away', () => {
  const six = rules(...[1, 2, 3, 4, 5, 6].map((n) => rule(8_000 + 2 * n)));

  it('are all proved gone, or said to be unproved', () => {
    const { revoked, unproved } = choosePorts({ rules: rules(), before: six }, US, SSH);
    expect(revoked.length + unproved.length).toBe(6);
  });

  it('are said to be unproved where they were for others', () => {
    const before = rules(rule(8_080, OTHERS), rule(8_443, OTHERS), rule([22, 22], OTHERS));
    const { revoked, unproved } = choosePorts({ rules: rules(rule(8_443, OTHERS)), before }, US, SSH);
    expect(revoked).toEqual([]);
    expect(unproved).toEqual([`rule 8443 from ${OTHERS}`, `rule 8080 from ${OTHERS} is gone`]);
  });

  it('are said to be unproved where what is left lets us in', () => {
    const narrower = rules(rule(8_080, `${US}/32`));
    const { revoked, unproved } = choosePorts({ rules: narrower, before: rules(rule(8_080)) }, US, SSH);
    expect(revoked).toEqual([]);
    expect(unproved).toEqual(['rule 8080 is gone']);
  });

  it('are shut for us where what is left is for others', () => {
    const narrower = rules(rule(8_080, OTHERS));
    const { revoked } = choosePorts({ rules: narrower, before: rules(rule(8_080)) }, US, SSH);
    expect(portsOf(revoked)).toEqual([8_080]);
  });

  it.each([
    ['kept as it was', rule(8_080)],
    ['part of a larger one', rule([8_000, 8_100])],
  ])('do not count as taken away when each is %s', (_how, left) => {
    const { revoked, unproved } = choosePorts({ rules: rules(left), before: rules(rule(8_080)) }, US, SSH);
    expect([revoked, unproved]).toEqual([[], []]);
  });
});
