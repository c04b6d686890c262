import type { CredentialConfig } from '../../src/adapters/credential.js';
import type { Provider } from '../../src/domain/provider.js';
import { API_KEY, openProvider } from './clouds.js';

/* EC2 as a script: each action has its answers, written as EC2 writes them. */

export const CREDENTIAL: CredentialConfig = {
  cloudCredRefId: 'aws-main',
  provider: 'aws',
  apiUrl: 'http://ec2.test',
  accessKeyId: 'AKIAPLANTEDKEYID0000',
  secretAccessKey: API_KEY,
  regions: ['us-east-1'],
  requestsPerSecond: 100_000,
  createsPerMinute: 600_000,
};

export interface Answer {
  status: number;
  /** Put into the root element of the action; `raw`: sent as it is. */
  xml?: string;
  raw?: string;
  headers?: Record<string, string>;
}

export const ok = (xml = '<return>true</return>'): Answer => ({ status: 200, xml });
export const raw = (status: number, text: string): Answer => ({ status, raw: text });
export const said = (status: number, code: string, message = 'because'): Answer =>
  raw(
    status,
    `<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors><RequestID>rq-1</RequestID></Response>`,
  );

export interface Sent {
  action: string;
  params: URLSearchParams;
  headers: Record<string, string>;
}

/** A list is answered in turn, its last answer for good. */
export function scriptedEc2(
  answers: Record<string, Answer | Answer[]>,
  change: Partial<CredentialConfig> = {},
): { provider: Provider; sent: Sent[]; actions(): string[]; of(action: string): URLSearchParams[] } {
  const sent: Sent[] = [];
  const counts = new Map<string, number>();
  const fetchInstead: typeof fetch = async (_url, init) => {
    const params = new URLSearchParams(String(init?.body));
    const action = params.get('Action') ?? '';
    sent.push({ action, params, headers: init?.headers as Record<string, string> });
    const row = [answers[action] ?? []].flat();
    const nth = counts.get(action) ?? 0;
    counts.set(action, nth + 1);
    const answer = row[Math.min(nth, row.length - 1)];
    if (!answer) throw new Error(`no answer was given for ${action}`);
    const text = answer.raw ?? `<?xml version="1.0"?><${action}Response>${answer.xml}</${action}Response>`;
    return new Response(text, { status: answer.status, headers: { 'x-amzn-requestid': 'rq-1', ...answer.headers } });
  };
  return {
    provider: openProvider({ ...CREDENTIAL, ...change }, fetchInstead),
    sent,
    actions: () => sent.map(({ action }) => action),
    of: (action) => sent.filter((one) => one.action === action).map(({ params }) => params),
  };
}

export const tagsXml = (tags: Record<string, string>): string =>
  Object.entries(tags)
    .map(([key, value]) => `<item><key>${key}</key><value>${value}</value></item>`)
    .join('');

export const TAGS = {
  Name: 'name-of-ref-1',
  refId: 'ref-1',
  cloudCredRefId: 'aws-main',
  'slipway-attempt': 'ref-1-1',
  'slipway-created-at': '2026-08-20T10:00:00.000Z',
  team: 'a',
};

export interface Shape {
  id?: string;
  state?: string;
  tags?: Record<string, string>;
  /** More of `<item>`, as XML. */
  more?: string;
}

export function instanceXml({ id = 'i-1', state = 'running', tags = TAGS, more = '' }: Shape = {}): string {
  return `<item><instanceId>${id}</instanceId><instanceState><code>16</code><name>${state}</name></instanceState><instanceType>g5.xlarge</instanceType><launchTime>2026-09-01T00:00:00.000Z</launchTime><placement><availabilityZone>us-east-1b</availabilityZone></placement><rootDeviceType>ebs</rootDeviceType><rootDeviceName>/dev/sda1</rootDeviceName><blockDeviceMapping><item><deviceName>/dev/sda1</deviceName><ebs><volumeId>vol-1</volumeId></ebs></item></blockDeviceMapping><groupSet><item><groupId>sg-1</groupId><groupName>slipway.abc123.ref-1-1</groupName></item></groupSet><tagSet>${tagsXml(tags)}</tagSet>${more}</item>`;
}

export const reservations = (...instances: string[]): Answer =>
  ok(`<reservationSet><item><instancesSet>${instances.join('')}</instancesSet></item></reservationSet>`);
export const NOTHING = ok('<reservationSet/>');

/** Everything that a create asks for. */
export const READY: Record<string, Answer> = {
  DescribeInstances: NOTHING,
  DescribeInstanceTypes: ok(
    '<instanceTypeSet><item><instanceType>g5.xlarge</instanceType><processorInfo><supportedArchitectures><item>x86_64</item></supportedArchitectures></processorInfo></item></instanceTypeSet>',
  ),
  DescribeImages: ok(
    '<imagesSet><item><imageId>ami-old</imageId><creationDate>2026-01-01T00:00:00.000Z</creationDate></item><item><imageId>ami-new</imageId><creationDate>2026-03-01T00:00:00.000Z</creationDate><rootDeviceName>/dev/sda1</rootDeviceName><blockDeviceMapping><item><deviceName>/dev/sda1</deviceName><ebs><deleteOnTermination>false</deleteOnTermination></ebs></item><item><deviceName>/dev/sdb</deviceName><ebs><deleteOnTermination>false</deleteOnTermination><volumeSize>30</volumeSize></ebs></item><item><deviceName>/dev/sdd</deviceName><ebs><deleteOnTermination>true</deleteOnTermination></ebs></item><item><deviceName>/dev/sdc</deviceName><virtualName>ephemeral0</virtualName></item></blockDeviceMapping></item></imagesSet>',
  ),
  CreateSecurityGroup: ok('<return>true</return><groupId>sg-1</groupId>'),
  AuthorizeSecurityGroupIngress: ok(),
  AuthorizeSecurityGroupEgress: ok(),
  DeleteSecurityGroup: ok(),
  RunInstances: ok(`<instancesSet>${instanceXml({ state: 'pending' })}</instancesSet>`),
};
