/** Every environment variable that anything of ours reads. Tests compare it with the settings, the sources and the Compose file. */

export interface Variable {
  name: string;
  /** Who reads it. */
  readBy: string;
  /** What holds when it is not set; absent: nothing does. */
  byDefault?: string;
  what: string;
}

const WORKER = 'worker';
const CLI = 'CLI';
const JOBS = 'Compose';

export const SLIPWAY_VARIABLES: readonly Variable[] = [
  {
    name: 'SLIPWAY_CREDENTIALS',
    readBy: WORKER,
    what: 'A JSON file: an array of `{ "cloudCredRefId", "provider", … }`, as `src/adapters/<provider>/README.md` says. Any value may be `{ "env": "NAME" }` or `{ "file": "path" }`. Needed.',
  },
  {
    name: 'SLIPWAY_SSH_KEYS',
    readBy: WORKER,
    byDefault: 'no key: nothing can be provisioned',
    what: 'A JSON file: name → path, `{ "file": … }` or `{ "env": … }` of the private keys that prove SSH. A request names one of them, or means `default`; one that is not there is refused.',
  },
  {
    name: 'SLIPWAY_JOURNAL_URL',
    readBy: `${WORKER}, ${CLI}`,
    byDefault: 'no journal',
    what: 'Where events are kept for good: `postgres://user:password@host/database`, `sqlite:/path/to/file.db`, or a path.',
  },
  {
    name: 'SLIPWAY_TASK_QUEUE',
    readBy: `${WORKER}, ${CLI}`,
    byDefault: 'slipway',
    what: 'Where workers listen, and where the CLI starts instances. The same for all that belong together.',
  },
  {
    name: 'SLIPWAY_STRAYS',
    readBy: WORKER,
    byDefault: 'report',
    what: '`terminate` ends machines that carry our identity and that no workflow in this namespace ever knew. Leave it at `report` where two Slipways share one account.',
  },
  {
    name: 'SLIPWAY_HEALTH_ADDRESS',
    readBy: `${WORKER}, \`slipway health\``,
    byDefault: 'not answered; the image has `0.0.0.0:8090`',
    what: '`host:port`, or a port on loopback, where the worker answers `/live` and `/ready`.',
  },
  {
    name: 'SLIPWAY_LOG_LEVEL',
    readBy: WORKER,
    byDefault: 'info',
    what: 'Of the JSON lines on stderr: `trace`, `debug`, `info`, `warn`, `error`, `fatal`, `silent`. Secrets are redacted at each.',
  },
  {
    name: 'SLIPWAY_WEBHOOKS',
    readBy: '`slipway webhooks run`',
    byDefault: 'no endpoint',
    what: 'A JSON file: an array of `{ "id", "url", "secret": { "env" or "file" }, "types"?, "from"?, "allowHttp"? }`.',
  },
  {
    name: 'SLIPWAY_EVENT_SOURCE',
    readBy: '`slipway webhooks run`, `slipway events --follow --json`',
    byDefault: '/slipway',
    what: 'What CloudEvents name as their `source`: a URI or a path, another for each Slipway that one receiver hears.',
  },
  {
    name: 'SLIPWAY_ACTOR',
    readBy: CLI,
    byDefault: 'none is recorded',
    what: 'Who asks, recorded with each order; `--actor` wins.',
  },
  { name: 'SLIPWAY_DEBUG', readBy: CLI, byDefault: 'off', what: '`1` shows where an unexpected error came from.' },
];

export const COMPOSE_VARIABLES: readonly Variable[] = [
  {
    name: 'POSTGRES_PASSWORD',
    readBy: JOBS,
    what: 'Of the database user `slipway`. Letters, digits, `-` and `_`, since it becomes part of a URL. Needed.',
  },
  {
    name: 'SLIPWAY_WEBHOOK_SECRETS',
    readBy: JOBS,
    byDefault: './webhook-secrets',
    what: 'With the profile `webhooks`: a folder with `webhooks.json` and the files it names, readable by user 1000. Apart from the workers’: who sends webhooks sees no credential.',
  },
  {
    name: 'SLIPWAY_SECRETS',
    readBy: JOBS,
    byDefault: './secrets',
    what: 'A folder with `credentials.json`, `ssh-keys.json` and the files they name, readable by user 1000; workers see it at `/run/secrets/slipway`.',
  },
  {
    name: 'SLIPWAY_IMAGE',
    readBy: JOBS,
    byDefault: 'slipway:latest',
    what: 'Our image, by a tag or digest of your registry.',
  },
  {
    name: 'POSTGRES_HOST',
    readBy: JOBS,
    byDefault: 'postgres',
    what: 'Another PostgreSQL, port 5432, user `slipway`.',
  },
  { name: 'TEMPORAL_HOST', readBy: JOBS, byDefault: 'temporal', what: 'Another Temporal frontend, port 7233.' },
  { name: 'BIND_IP', readBy: JOBS, byDefault: '0.0.0.0', what: 'Where services listen, inside their containers.' },
  {
    name: 'SIMCLOUD_PORT',
    readBy: JOBS,
    byDefault: '4900',
    what: 'Of the demo’s simulated cloud, inside its container.',
  },
];

export const TEMPORAL_VARIABLES: readonly Variable[] = [
  {
    name: 'TEMPORAL_ADDRESS',
    readBy: `${WORKER}, ${CLI}, client`,
    byDefault: 'the `slipway dev` of this folder, if one runs',
    what: '`host:port` of the server. Set, it means: use that one, start none.',
  },
  {
    name: 'TEMPORAL_NAMESPACE',
    readBy: `${WORKER}, ${CLI}, client`,
    byDefault: 'default',
    what: 'docker-compose.yml sets `slipway`.',
  },
  {
    name: 'TEMPORAL_API_KEY',
    readBy: `${WORKER}, ${CLI}, client`,
    byDefault: 'none',
    what: 'Sent as a bearer token; turns TLS on.',
  },
  {
    name: 'TEMPORAL_TLS',
    readBy: `${WORKER}, ${CLI}, client`,
    byDefault: 'on with an API key or a certificate',
    what: '`true` or `false`.',
  },
  ...(
    [
      ['CLIENT_CERT_PATH', 'The certificate that says who we are: a file.'],
      ['CLIENT_CERT_DATA', 'The same, as text.'],
      ['CLIENT_KEY_PATH', 'Its private key: a file.'],
      ['CLIENT_KEY_DATA', 'The same, as text.'],
      ['SERVER_CA_CERT_PATH', 'Whom we believe who the server is: a file.'],
      ['SERVER_CA_CERT_DATA', 'The same, as text.'],
      ['SERVER_NAME', 'The name in the server’s certificate, where it is not the address.'],
      ['DISABLE_HOST_VERIFICATION', '`true` believes any certificate.'],
    ] as const
  ).map(([name, what]) => ({
    name: `TEMPORAL_TLS_${name}`,
    readBy: `${WORKER}, ${CLI}, client`,
    byDefault: 'none',
    what,
  })),
  {
    name: 'TEMPORAL_GRPC_META_*',
    readBy: `${WORKER}, ${CLI}, client`,
    byDefault: 'none',
    what: 'A header of every call: `TEMPORAL_GRPC_META_X_TEAM=a` is `x-team: a`.',
  },
  {
    name: 'TEMPORAL_CONFIG_FILE',
    readBy: `${WORKER}, ${CLI}, client`,
    byDefault: 'the `temporal.toml` of Temporal’s own CLI',
    what: 'A file with the same settings, by profile. Variables win.',
  },
  {
    name: 'TEMPORAL_PROFILE',
    readBy: `${WORKER}, ${CLI}, client`,
    byDefault: 'default',
    what: 'Which profile of that file.',
  },
  {
    name: 'TEMPORAL_CODEC_ENDPOINT',
    readBy: 'nothing of ours',
    what: 'Read by Temporal’s loader, and left alone: payloads are plain JSON.',
  },
  { name: 'TEMPORAL_CODEC_AUTH', readBy: 'nothing of ours', what: 'The same.' },
  {
    name: 'TEMPORAL_CLI_PATH',
    readBy: '`dev`, `demo`, tests',
    byDefault: 'found, downloaded or built',
    what: 'The Temporal CLI that they start as a dev server.',
  },
];

export const OTHER_VARIABLES: readonly Variable[] = [
  { name: 'NO_COLOR', readBy: CLI, byDefault: 'colours on a terminal', what: 'Anything: no colours.' },
  {
    name: 'XDG_CACHE_HOME',
    readBy: '`dev`, `demo`, tests',
    byDefault: '`~/.cache`',
    what: 'Where the Temporal CLI, and for tests its server, are kept once made.',
  },
  {
    name: 'NODE_OPTIONS',
    readBy: 'Node',
    byDefault: 'none; docker-compose.yml sets `--max-old-space-size`',
    what: 'A worker has two heaps, its own and that of its workflows’ thread, each with this limit: three eighths of the container’s memory. It also decides how much garbage lies about.',
  },
  {
    name: 'MALLOC_TRIM_THRESHOLD_',
    readBy: 'glibc',
    byDefault: 'grows up to 64 MiB; our image sets 131072',
    what: 'How many freed bytes may lie at the end of an arena before they go back to the system. Left to itself glibc raises it, and a worker keeps some 100 MiB that it does not use: set it where you run one outside our image.',
  },
];
