import { defineConfig } from 'vitest/config';

const shared = {
  pool: 'forks',
  restoreMocks: true,
  // vitest's own second is no measure on a machine that is shared: a test waits for what must come, or for its own end.
  expect: { poll: { timeout: 20_000 } },
} as const;

export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: ['default', './tests/support/closing-line.ts'],
    projects: [
      {
        test: {
          ...shared,
          name: 'unit',
          include: [
            'tests/{domain,activities,adapters,simcloud,ssh,journal,docs,deploy,conformance,bench}/**/*.test.ts',
            'tests/*.test.ts',
          ],
          // Seconds on a machine of one's own; it may be shared.
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          ...shared,
          name: 'engine',
          include: ['tests/{workflows,replay,client,cli,temporal,firewall,chaos,processes,topology}/**/*.test.ts'],
          globalSetup: ['./tests/support/temporal.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
