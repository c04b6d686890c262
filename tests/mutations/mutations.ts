/** One guard taken away, and the tests that must notice. */
export interface Mutation {
  guard: string;
  file: string;
  /** Must stand in the file exactly once: else the mutation is out of date, which is an error. */
  find: string;
  replace: string;
  /** At least one of them must fail. */
  tests: string[];
}

export const MUTATIONS: Mutation[] = [
  {
    guard: 'no look-up of the refId before a create',
    file: 'src/adapters/sim/adapter.ts',
    find: "if (earlier) return { outcome: 'exists', instance: earlier, adopted: true };",
    replace: 'void earlier;',
    tests: ['tests/adapters/sim.contract.test.ts'],
  },
  {
    guard: 'absence believed after one listing',
    file: 'src/activities/create.ts',
    find: 'if (looks >= 2 && startedAt >= settled)',
    replace: 'if (looks >= 1)',
    tests: ['tests/activities/create.test.ts'],
  },
  {
    guard: 'absence believed before the listing lag has passed',
    file: 'src/activities/create.ts',
    find: 'const settled = toEpochMs(since) + lag;',
    replace: 'const settled = toEpochMs(since);',
    tests: ['tests/activities/create.test.ts'],
  },
  {
    guard: 'the listing lag counted from when the create was asked for',
    file: 'src/workflows/steps/placing.ts',
    find: 'const { attempt, offer, at, unknownSince: since = at } = currentAttempt',
    replace: 'const { attempt, offer, at: since } = currentAttempt',
    tests: ['tests/workflows/witnesses.test.ts'],
  },
  {
    guard: 'a delete given up once it has taken too long',
    file: 'src/workflows/steps/ending.ts',
    find: "instance.record({ type: 'RecordDebt', failure: toFailureFact(error, 'WaitTimeout') });",
    replace:
      "toFailureFact(error, 'WaitTimeout'); instance.record({ type: 'RecordGone', cloudId, proof: { by: 'terminated', at: now(), evidence: 'given up' } });",
    tests: ['tests/workflows/faults-ending.test.ts'],
  },
  {
    guard: 'a delete given up after 15 minutes by its retry policy',
    file: 'src/workflows/policies.ts',
    find: 'end: {\n    startToCloseTimeout: 10 * MINUTE,',
    replace: 'end: {\n    scheduleToCloseTimeout: 15 * MINUTE,\n    startToCloseTimeout: 10 * MINUTE,',
    tests: ['tests/activities/policies.test.ts'],
  },
  {
    guard: 'a delete believed on its 200',
    file: 'src/activities/provider.ts',
    find: 'const asked = Date.now();',
    replace:
      "const asked = Date.now();\n  if (asked > 0) return { by: 'terminated', at: toIsoTime(asked), evidence: 'it said so' };",
    tests: ['tests/workflows/witnesses.test.ts'],
  },
  {
    guard: 'a delete believed on one listing',
    file: 'src/activities/provider.ts',
    find: 'const seen = await look(provider, cloudId, location, signal);\n      const witness',
    replace: 'const seen = undefined as CloudInstance | undefined;\n      const witness',
    tests: ['tests/workflows/witnesses.test.ts'],
  },
  {
    guard: 'the attempt’s key made from the run id',
    file: 'src/activities/create.ts',
    find: '      attemptKey: attemptKey(refId, attempt),',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source
    replace: '      attemptKey: `${activityInfo().workflowExecution?.runId}-${attempt}`,',
    tests: ['tests/workflows/witnesses.test.ts'],
  },
  {
    guard: 'a create repeated after a worker’s death',
    file: 'src/workflows/policies.ts',
    find: "return activityClass === 'create' ? [...kinds, ...TIMEOUTS] : [...kinds];",
    replace: 'return [...kinds];',
    tests: ['tests/activities/policies.test.ts'],
  },
  {
    guard: 'a server error on a create taken for a refusal',
    file: 'src/domain/instance/record.ts',
    find: "    case 'RateLimited':\n    case 'ServiceUnavailable':",
    replace: "    case 'UnknownOutcome':\n    case 'RateLimited':\n    case 'ServiceUnavailable':",
    tests: ['tests/domain/record-create.test.ts'],
  },
  {
    guard: 'the next offer tried before the failed machine is gone',
    file: 'src/domain/instance/evolve.ts',
    find: "return enter('discarding', failAttempt(state, failure, event.at), event);",
    replace: "return enter('placing', { ...failAttempt(state, failure, event.at), machine: undefined }, event);",
    tests: ['tests/domain/record.test.ts', 'tests/domain/ending.test.ts', 'tests/domain/evolve.test.ts'],
  },
];
