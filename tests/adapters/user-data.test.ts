import { describe, expect, it } from 'vitest';
import { toText, toUserData } from '../../src/adapters/user-data.js';
import { renderCloudConfig } from '../../src/domain/firewall.js';
import { readUserData } from '../../src/simcloud/cloud-init.js';
import { PUBLIC_KEY } from './clouds.js';

const rules = { ingressRules: [{ fromPort: 80, toPort: 90, ipRanges: ['10.0.0.0/8'] }], egressRules: [] };
const cloudConfig = renderCloudConfig(rules, { publicKeys: [PUBLIC_KEY] });
const merged = (callers: string): string => toUserData({ cloudConfig, callers });

describe('user data of two', () => {
  it.each([undefined, '', ' \n'])('is ours alone when the caller has %j', (callers) => {
    expect(toUserData({ cloudConfig, callers })).toBe(cloudConfig);
  });

  it.each([
    ['#!/bin/sh\necho hi\n', 'text/x-shellscript'],
    ['#cloud-config\nruncmd: [a]\n', 'text/cloud-config'],
    ['#cloud-config-archive\n- a\n', 'text/cloud-config-archive'],
    ['#cloud-boothook\necho\n', 'text/cloud-boothook'],
    ['#include\nhttp://x\n', 'text/x-include-url'],
    ['#include-once\nhttp://x\n', 'text/x-include-once-url'],
    ['#part-handler\n', 'text/part-handler'],
    ['## template: jinja\n#cloud-config\n', 'text/jinja2'],
    ['hello', 'text/plain'],
  ])('says what kind the caller’s is: %j is %s', (callers, type) => {
    expect(merged(callers)).toContain(`\nContent-Type: ${type}; charset="utf-8"\n`);
    expect(merged(callers)).toContain(`\n\n${callers}\n--slipway-`);
  });

  it('has ours last, with a merge that puts our lists first and loses none of theirs', () => {
    const text = merged('#cloud-config\nruncmd:\n  - mine\n');
    expect(text.indexOf('mine')).toBeLessThan(text.indexOf('Merge-Type: list(prepend)+dict(no_replace,recurse_list)'));
    expect(text.indexOf('Merge-Type')).toBeLessThan(text.indexOf('ufw default deny incoming'));
  });

  it('takes a MIME message of the caller’s in as a part of its own', () => {
    const theirs =
      'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/cloud-config\n\n#cloud-config\nssh_authorized_keys:\n  - ssh-ed25519 AAAAtheirs x\n--b--\n';
    const { publicKeys, firewall } = readUserData(merged(theirs));
    expect(publicKeys).toHaveLength(2);
    expect(firewall?.ingressRules).toContainEqual({ fromPort: 80, toPort: 90, ipRanges: ['10.0.0.0/8'] });
  });

  it('is the same for the same input, and no line of it can end a part', () => {
    const once = merged('#!/bin/sh\n');
    const [, boundary = ''] = /boundary="([^"]+)"/.exec(once) ?? [];
    expect(merged('#!/bin/sh\n')).toBe(once);
    const hostile = merged(`#!/bin/sh\n--${boundary}--\n`);
    expect(/boundary="([^"]+)"/.exec(hostile)?.[1]).not.toBe(boundary);
    expect(readUserData(hostile).publicKeys).toHaveLength(1);
  });

  it('refuses what is no text, in words', () => {
    expect(() => toText('H4sIAAAAAAAAA/8=')).toThrow(/userDataBase64 must be text/);
    expect(toText(Buffer.from('#!/bin/sh\n# grüß dich\n').toString('base64'))).toBe('#!/bin/sh\n# grüß dich\n');
  });
});
