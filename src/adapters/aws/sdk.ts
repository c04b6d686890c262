import { createRequire } from 'node:module';
import type { EC2Client } from '@aws-sdk/client-ec2';

export type Sdk = typeof import('@aws-sdk/client-ec2');

let loaded: Sdk | undefined;

/**
 * The AWS SDK, loaded with the first call to AWS and not with the worker: it takes 2 s and 80 MB. `require`, since
 * `import()` of this CommonJS package parses its 2 MB a second time to find the names it exports.
 */
export function loadSdk(): Sdk {
  // It would say on stderr, between our JSON lines, when it will give up Node 20.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  loaded ??= createRequire(import.meta.url)('@aws-sdk/client-ec2') as Sdk;
  return loaded;
}

export interface SdkSettings {
  region: string;
  /** Instead of AWS's own. */
  apiUrl?: string;
  credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  requestHandler: NonNullable<ConstructorParameters<Sdk['EC2Client']>[0]>['requestHandler'];
}

/**
 * One client per region. It signs, writes and reads; it neither repeats (`maxAttempts: 1`: whether a repeat is safe, our
 * caller knows) nor looks for settings in the environment or in `~/.aws`.
 */
export function openSdkClient({ region, apiUrl, credentials, requestHandler }: SdkSettings): EC2Client {
  const { EC2Client } = loadSdk();
  return new EC2Client({
    region,
    credentials,
    requestHandler,
    maxAttempts: 1,
    retryMode: 'standard',
    defaultsMode: 'standard',
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    ignoreConfiguredEndpointUrls: true,
    customUserAgent: 'slipway',
    ...(apiUrl !== undefined && { endpoint: apiUrl }),
  });
}
