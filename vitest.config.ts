import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // On two cores: much of the time a test waits for processes that it has started, for a lease, or for a second of the clock.
    maxWorkers: 3,
    // Real processes, leases and clocks on a machine that is shared: what fails there once by bad luck is tried once more, and the report says so.
    retry: process.env.CI === undefined ? 0 : 1,
    reporters: ['default'],
  },
});
