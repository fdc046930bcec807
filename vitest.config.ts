import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // Of the library alone: it is all that can be tested without a machine around it. By the unit and property tests.
    coverage: {
      include: ['lib/**'],
      exclude: ['lib/index.ts'],
      reporter: ['text-summary'],
      reportsDirectory: 'node_modules/.cache/coverage',
      thresholds: { branches: 95 },
    },
    projects: [
      { test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: ['test/integration/**'] } },
      {
        test: {
          name: 'property',
          include: ['property-tests/**/*.property.ts'],
          setupFiles: ['property-tests/setup.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          // Real kernels, real queues: one file at a time, and room for a slow machine.
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
