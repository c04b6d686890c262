import { createHash } from 'node:crypto';

/** What Slipway has to say at a machine's first boot, and what the caller has. */
export interface FirstBootParts {
  /** A `#cloud-config` of ours. */
  cloudConfig: string;
  /** The caller's own user data, as plain text: whatever cloud-init takes. */
  callers?: string;
}

/**
 * One text for cloud-init: ours alone, or a MIME message of both.
 *
 * cloud-init merges each cloud-config into those before it, and by default a later `runcmd` replaces an earlier one
 * (its `DEF_MERGERS`): a caller's would take away the firewall. So ours comes last and says how it is merged: our lists
 * go before theirs, and what both set stays the caller's. A caller's script runs after `runcmd`, for cloud-init runs
 * scripts in the order of their names and `runcmd` is one of them.
 */
export function toUserData({ cloudConfig, callers }: FirstBootParts): string {
  if (callers === undefined || callers.trim() === '') return cloudConfig;
  const boundary = boundaryFor(cloudConfig, callers);
  const parts = [theirPart(callers), ourPart(cloudConfig)];
  return [
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    'MIME-Version: 1.0',
    '',
    ...parts.flatMap((part) => [`--${boundary}`, part]),
    `--${boundary}--`,
    '',
  ].join('\n');
}

const MERGE_TYPE = 'list(prepend)+dict(no_replace,recurse_list)+str()';

function ourPart(text: string): string {
  return [...headers('text/cloud-config', 'slipway.cfg'), `Merge-Type: ${MERGE_TYPE}`, '', text].join('\n');
}

/** As cloud-init's own table has it (handlers, INCLUSION_TYPES_MAP); first lines decide. */
const TYPES: readonly [prefix: string, type: string][] = [
  ['#include-once', 'text/x-include-once-url'],
  ['#include', 'text/x-include-url'],
  ['#cloud-config-archive', 'text/cloud-config-archive'],
  ['#cloud-config-jsonp', 'text/cloud-config-jsonp'],
  ['#cloud-config', 'text/cloud-config'],
  ['#cloud-boothook', 'text/cloud-boothook'],
  ['#part-handler', 'text/part-handler'],
  ['## template: jinja', 'text/jinja2'],
  ['#!', 'text/x-shellscript'],
];

function theirPart(text: string): string {
  // A MIME message of its own becomes a part with its own headers; cloud-init walks into it.
  if (/^(?:content-type:\s*multipart|mime-version:)/i.test(text)) return text;
  const [, type = 'text/plain'] = TYPES.find(([prefix]) => text.startsWith(prefix)) ?? [];
  return [...headers(type, 'zz-user-data'), '', text].join('\n');
}

function headers(type: string, filename: string): string[] {
  return [
    `Content-Type: ${type}; charset="utf-8"`,
    'MIME-Version: 1.0',
    `Content-Disposition: attachment; filename="${filename}"`,
  ];
}

/** The same input gives the same text, and no line of it can be taken for the boundary. */
function boundaryFor(...texts: string[]): string {
  for (let salt = 0; ; salt += 1) {
    const hash = createHash('sha256')
      .update([salt, ...texts].join('\n'))
      .digest('hex');
    const boundary = `slipway-${hash.slice(0, 24)}`;
    if (!texts.some((text) => text.includes(boundary))) return boundary;
  }
}

/**
 * The text behind base64 user data, for vendors that take no bytes.
 * @throws {TypeError} when it is no UTF-8 text: gzip, say.
 */
export function toText(base64: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(base64, 'base64'));
  } catch {
    throw new TypeError('userDataBase64 must be text: this provider takes no binary user data, such as gzip');
  }
}
