import { defineConfig } from 'vitest/config';

const shared = { pool: 'forks', restoreMocks: true } as const;

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
