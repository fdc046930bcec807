import { defineConfig } from 'vitest/config'

/** What `npm run conformance` runs. Kernels boot and minutes pass: nothing here is part of `npm test`. */
export default defineConfig({
  test: {
    include: ['conformance/**/*.test.ts'],
    fileParallelism: false,
    testTimeout: 1_200_000,
    hookTimeout: 1_200_000,
  },
})
