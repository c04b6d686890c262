import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type FirewallRules,
  HOST_LOOK,
  NO_RULES,
  normaliseRules,
  renderHostChange,
} from '../../src/domain/firewall.js';
import { anyRules, ingress } from './firewall-support.js';

/** What UFW writes into user.rules and user6.rules for a command of ours, as 0.36.2 does. */
function kept(command: string): string[] {
  const match = /^ufw allow (?:in from (\S+) to any|out to (\S+)) port (\d+)(?::(\d+) proto (tcp|udp))?$/.exec(command);
  if (!match) return command.startsWith('ufw allow 22') ? [ssh('0.0.0.0/0'), ssh('::/0')] : [];
  const [, source, destination, from, to, proto = 'any'] = match;
  const peer = source ?? destination ?? '';
  const families = peer === 'any' ? ['0.0.0.0/0', '::/0'] : [peer.replace(/\/(?:32(?<=\..*)|128)$/, '')];
  return families.map((network) => {
    const everybody = network.includes(':') ? '::/0' : '0.0.0.0/0';
    const [dst, src] = source === undefined ? [network, everybody] : [everybody, network];
    return `### tuple ### allow ${proto} ${to ? `${from}:${to}` : from} ${dst} any ${src} ${source === undefined ? 'out' : 'in'}`;
  });
}
const ssh = (everybody: string): string => `### tuple ### allow tcp 22 ${everybody} any ${everybody} in`;

function commands(text: string): string[] {
  return text.match(/ufw (?:allow|--force delete allow) [^&;}\n]+/g)?.map((command) => command.trim()) ?? [];
}

/** A UFW that knows our commands. */
function run(present: string[], text: string): string[] {
  const now = new Set(present);
  for (const command of commands(text)) {
    if (command.startsWith('ufw allow')) for (const rule of kept(command)) now.add(rule);
    else {
      const rule = command.replace('--force delete ', '').replace(/ proto (tcp|udp)$/, (all) => all);
      for (const one of kept(rule)) now.delete(one);
    }
  }
  return [...now];
}

function change(rules: FirewallRules, present: string[]): string[] {
  return run(present, renderHostChange(rules, present.join('\n')).text);
}

describe('new rules for a firewall in use', () => {
  it('from any rules to any others, come out as if they had been there from the beginning', () => {
    fc.assert(
      fc.property(anyRules, anyRules, (before, after) => {
        const fresh = change(after, change(NO_RULES, []));
        const changed = change(after, change(before, []));
        expect(changed.toSorted()).toEqual(fresh.toSorted());
      }),
    );
  });

  it('change nothing where they are in force already', () => {
    fc.assert(
      fc.property(anyRules, (rules) => {
        const present = change(rules, []);
        const { steps } = renderHostChange(rules, present.join('\n'));
        expect(steps.filter((step) => /^(?:open|close) /.test(step))).toEqual([]);
      }),
    );
  });

  it('are opened before anything is closed, and SSH is opened before them', () => {
    fc.assert(
      fc.property(anyRules, anyRules, (before, after) => {
        const { steps, text } = renderHostChange(after, change(before, []).join('\n'));
        const kinds = steps.map((step) => step.split(' ')[0]);
        expect(kinds[0]).toBe('keep');
        expect(kinds.lastIndexOf('open')).toBeLessThan(Math.max(kinds.indexOf('close'), 0) || kinds.length);
        expect(commands(text)[0]).toBe('ufw allow 22/tcp');
        expect(text).not.toContain('reset');
      }),
    );
  });

  it('add no word to the script but ports, networks and protocols, whatever is read from the machine', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (one, other) => {
        const evil = `### tuple ### allow any 80 0.0.0.0/0 any ${one} in\n### tuple ### allow ${other} 81 0.0.0.0/0 any 0.0.0.0/0 in`;
        for (const command of commands(renderHostChange(NO_RULES, evil).text)) {
          expect(command).toMatch(/^ufw (?:--force delete )?allow [a-z0-9.:/ ]+$/);
        }
      }),
    );
  });

  it('never close SSH, on whatever port it answers, nor what our rules cannot say', () => {
    const present = [
      ssh('0.0.0.0/0'),
      '### tuple ### allow tcp 2222 0.0.0.0/0 any 0.0.0.0/0 in',
      '### tuple ### allow tcp 2200 ::/0 any ::/0 in comment=6d696e65',
      '### tuple ### limit tcp 77 0.0.0.0/0 any 0.0.0.0/0 in',
      '### tuple ### deny any 78 0.0.0.0/0 any 0.0.0.0/0 in',
      '### tuple ### allow any 99 0.0.0.0/0 any 0.0.0.0/0 in_lo',
      '### tuple ### allow tcp 66,67 0.0.0.0/0 any 0.0.0.0/0 in',
      '### tuple ### allow tcp 6 0.0.0.0/0 5 10.0.0.0/8 in',
    ].join('\n');
    const { steps } = renderHostChange(ingress({ fromPort: 443, toPort: 443, ipRanges: [] }), present, 2_200);
    expect(steps.filter((step) => step.startsWith('close'))).toEqual([]);
  });

  it('leave SSH open for published ports where the machine has it, and nowhere else', () => {
    const alternate = '### tuple ### allow tcp 2222 0.0.0.0/0 any 0.0.0.0/0 in';
    const published = (present: string, sshPort?: number): string[] => {
      const { text } = renderHostChange(NO_RULES, present, sshPort);
      return [...text.matchAll(/^-A DOCKER-USER -p tcp .*--ctorigdstport (\d+)/gm)].map(([, port = '']) => port);
    };
    expect(published('')).toEqual(['22', '22']); // IPv4 and IPv6
    expect(new Set(published(alternate, 2_200))).toEqual(new Set(['22', '2200', '2222']));
  });

  it('leave IPv6 out of the comparison where UFW does', () => {
    const rules = ingress({ fromPort: 443, toPort: 443, ipRanges: [] });
    const present = [ssh('0.0.0.0/0'), '### tuple ### allow any 443 0.0.0.0/0 any 0.0.0.0/0 in', 'IPV6=no'].join('\n');
    expect(renderHostChange(rules, present).steps.join()).not.toContain('open 443');
    expect(renderHostChange(rules, present.replace('=no', '=yes')).steps.join()).toContain('open 443');
  });

  it('are refused before anything is rendered when they are not rules', () => {
    const wrong = ingress({ fromPort: 80, toPort: 80, ipRanges: ['0.0.0.0/0; reboot'] });
    expect(() => renderHostChange(wrong, '')).toThrow('ipRanges[0]');
    expect(() => renderHostChange(normaliseRules(NO_RULES), '', 70_000)).toThrow('sshPort');
  });

  it('are looked at by a script that changes nothing', () => {
    expect(commands(HOST_LOOK)).toEqual([]);
  });
});
